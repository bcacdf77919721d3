// Lets connections in, one by one, or says why not.
import { Address, type Connection } from "@framewire/core"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PartitionedSemaphore from "effect/PartitionedSemaphore"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Admission from "../Admission.ts"

class Refused extends Data.TaggedError("Refused")<{ readonly reason: Admission.Reason }> {}

// Of the descriptors, so that enough are left for what handlers open.
const share = 0.8
// A semaphore has a capacity for good.
const capacity = Number.MAX_SAFE_INTEGER
const maxRemembered = 65_536
const maxLingering = 64
const busyLinger = "1 second"

const refused = (reason: Admission.Reason) => Effect.fail(new Refused({ reason }))

/** Effect's limiter, forgotten now and then: its store in memory keeps every key. */
const makeLimiter = Effect.gen(function*() {
  const shared = yield* Effect.serviceOption(RateLimiter.RateLimiter)
  if (Option.isSome(shared)) return Effect.succeed(shared.value)
  const fresh = Effect.provide(RateLimiter.make, RateLimiter.layerStoreMemory)
  let limiter = yield* fresh
  let asked = 0
  return Effect.suspend(() => {
    if (++asked <= maxRemembered) return Effect.succeed(limiter)
    asked = 1
    return Effect.map(fresh, (next) => limiter = next)
  })
})

export interface Gate {
  readonly settings: Effect.Effect<Required<Admission.Options>>
  readonly set: (changes: Admission.Options) => Effect.Effect<void>
  /** Whether somebody more, beside so many in the house, has no chance. */
  readonly isFull: (held: number) => boolean
  /** Gives it a slot, and counts it among the connections of its client, until the effect is run that this gives. */
  readonly enter: (
    client: Address.Address,
    onParked: (change: 1 | -1) => void
  ) => Effect.Effect<Effect.Effect<unknown>, Refused>
  /** Turns it away. */
  readonly refuse: (connection: Connection.Connection, reason: Admission.Reason) => Effect.Effect<unknown>
}

const settingsOf = (
  { allow = [], deny = [], maxConnections, perClient = {}, whenFull = Admission.reject() }: Admission.Options,
  freeDescriptors: number | undefined
): Required<Admission.Options> => ({
  allow,
  deny,
  perClient,
  whenFull,
  maxConnections: maxConnections ?? (freeDescriptors === undefined ? 1024 : Math.floor(share * freeDescriptors))
})

/** `freeDescriptors` when the server starts, where the platform tells. */
export const make = (
  options: Admission.Options,
  freeDescriptors: number | undefined,
  isSecured: boolean
): Effect.Effect<Gate> =>
  Effect.gen(function*() {
    let settings = settingsOf(options, freeDescriptors)
    const limiter = yield* makeLimiter
    const clients = new Map<string, number>()
    /** Slots that somebody has: more than there may be, where that was changed. */
    let taken = 0
    let lingering = 0
    /** Hands slots to those who wait, in turn by client. It has none of its own. */
    const parked = PartitionedSemaphore.makeUnsafe<string>({ permits: capacity })
    yield* parked.take("", capacity)
    /** Those to whom none was handed yet. */
    let waiting = 0

    const takeNow = (): boolean => {
      if (taken >= settings.maxConnections) return false
      taken++
      return true
    }
    // Each in one step, or others would count the same slots.
    const handOut = () => {
      const handed = Math.min(waiting, Math.max(0, settings.maxConnections - taken))
      taken += handed
      waiting -= handed
      if (handed > 0) Effect.runSync(parked.release(handed))
    }
    /** Takes back what was handed to one who was gone already. */
    const reclaim = () => {
      const left = Effect.runSync(parked.available)
      Effect.runSync(parked.take("", left))
      taken -= left
      waiting += left
      handOut()
    }
    const release = Effect.sync(() => {
      taken--
      handOut()
    })

    const problem = (client: Address.Address, site: string | undefined): Admission.Reason | undefined => {
      const { allow, deny, perClient } = settings
      if (Address.isUnix(client) || site === undefined) return undefined
      const has = (networks: ReadonlyArray<Address.Network>) => networks.some((it) => it.contains(client.host))
      if (has(deny) || allow.length > 0 && !has(allow)) return "denied"
      const { maxConnections = Infinity } = perClient
      return (clients.get(site) ?? 0) >= maxConnections ? "clientConnections" : undefined
    }

    const rated = (site: string | undefined, { rate }: Admission.PerClient) =>
      site === undefined || rate === undefined ?
        Effect.void :
        Effect.flatMap(
          limiter,
          (it) => it.consume({ ...rate, algorithm: "token-bucket", key: `framewire/server/${site}` })
        ).pipe(
          Effect.catchTag(
            "RateLimiterError",
            ({ reason }) => reason._tag === "RateLimitExceeded" ? refused("clientRate") : Effect.void
          )
        )

    const slot = (site: string, onParked: (change: 1 | -1) => void): Effect.Effect<void, Refused> =>
      Effect.suspend(() => {
        const { whenFull } = settings
        if (takeNow()) return Effect.void
        if (whenFull._tag !== "Park") return refused("full")
        onParked(1)
        waiting++
        let has = false
        // Uninterruptible once it has the slot, or the slot would be lost.
        const takes = Effect.uninterruptibleMask((restore) =>
          Effect.map(restore(parked.take(site, 1)), () => {
            has = true
          })
        )
        const leave = Effect.sync(() => {
          onParked(-1)
          if (has) return
          waiting--
          reclaim()
        })
        return Effect.interruptible(Effect.timeoutOption(takes, whenFull.timeout)).pipe(
          Effect.ensuring(leave),
          Effect.andThen(Effect.suspend(() => has ? Effect.void : refused("parked"))),
          Effect.onError(() => has ? release : Effect.void)
        )
      })

    const count = (site: string, change: 1 | -1) => {
      const now = (clients.get(site) ?? 0) + change
      if (now === 0) clients.delete(site)
      else clients.set(site, now)
    }

    return {
      settings: Effect.sync(() => settings),
      set: (changes) =>
        Effect.sync(() => {
          // An undefined bound would be none.
          const {
            allow = settings.allow,
            deny = settings.deny,
            maxConnections = settings.maxConnections,
            perClient = settings.perClient,
            whenFull = settings.whenFull
          } = changes
          settings = { allow, deny, maxConnections, perClient, whenFull }
          handOut()
        }),
      isFull: (held) =>
        // Where more have a slot than may, they take none of the places of those who wait for one.
        held >= Math.max(settings.maxConnections, taken) +
            (settings.whenFull._tag === "Park" ? settings.whenFull.max : 0),
      enter: (client, onParked) =>
        Effect.suspend(() => {
          const site = Address.isUnix(client) ? undefined : Address.siteOf(client.host)
          const reason = problem(client, site)
          if (reason !== undefined) return refused(reason)
          const forget = () => {
            if (site !== undefined) count(site, -1)
          }
          const leave = Effect.suspend(() => {
            forget()
            return release
          })
          if (site !== undefined) count(site, 1)
          // Nothing to wait for, as nearly always.
          if (settings.perClient.rate === undefined && takeNow()) return Effect.succeed(leave)
          return Effect.interruptible(rated(site, settings.perClient)).pipe(
            Effect.andThen(slot(site ?? "", onParked)),
            Effect.onError(() => Effect.sync(forget)),
            Effect.as(leave)
          )
        }),
      refuse: (connection, reason) =>
        Effect.suspend((): Effect.Effect<unknown> => {
          const { whenFull } = settings
          const how = whenFull._tag === "Park" ? whenFull.otherwise : whenFull
          if (how._tag === "RejectReset") return connection.abort
          // FIN and gone: somebody who is turned away may not hold a descriptor.
          if (how.busy === undefined || isSecured || reason === "denied" || lingering >= maxLingering) {
            return connection.close({ linger: 0 })
          }
          lingering++
          // It is on its way when this returns.
          const sent = connection.sendAllUnsafe([how.busy])
          return Effect.all([Effect.ignore(sent), connection.close({ linger: busyLinger })], { concurrency: 2 }).pipe(
            Effect.ensuring(Effect.sync(() => lingering--))
          )
        })
    }
  })
