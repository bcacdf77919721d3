// Lets connections in, one by one, or says why not. Slots are permits of a semaphore whose waiters, the parked ones, are
// grouped by client.
import { Address, type Connection } from "@framewire/core"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as PartitionedSemaphore from "effect/PartitionedSemaphore"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Semaphore from "effect/Semaphore"
import type { Options, PerClient, Reason } from "../Admission.ts"

export class Refused extends Data.TaggedError("Refused")<{ readonly reason: Reason }> {}

// A semaphore has a capacity for good, so what may not be open is withheld.
const capacity = Number.MAX_SAFE_INTEGER
const maxRemembered = 65_536
const maxLingering = 64
const busyLinger = "1 second"

const refused = (reason: Reason) => Effect.fail(new Refused({ reason }))

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
  readonly settings: Effect.Effect<Required<Options>>
  readonly set: (changes: Options) => Effect.Effect<void>
  /** Whether somebody more, beside so many in the house, has no chance. */
  readonly isFull: (held: number) => boolean
  /** Runs it with a slot, and until it ends the client has a connection more. */
  readonly pass: (
    client: Address.Address,
    onParked: (change: 1 | -1) => void
  ) => <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Refused, R>
  /** Turns it away. */
  readonly refuse: (connection: Connection.Connection, reason: Reason) => Effect.Effect<unknown>
}

export const make = (initial: Required<Options>, isSecured: boolean): Effect.Effect<Gate> =>
  Effect.gen(function*() {
    let settings = initial
    const limiter = yield* makeLimiter
    const clients = new Map<string, number>()
    const slots = PartitionedSemaphore.makeUnsafe<string>({ permits: capacity })
    let withheld = 0
    let withholding: Fiber.Fiber<number> | undefined
    let lingering = 0

    const resize = (max: number) =>
      Effect.gen(function*() {
        if (withholding !== undefined) {
          yield* Fiber.interrupt(withholding)
          const exit = withholding.pollUnsafe()
          if (exit?._tag === "Success") withheld += exit.value
          withholding = undefined
        }
        const more = capacity - Math.min(capacity, Math.max(0, max)) - withheld
        if (more < 0) {
          withheld += more
          yield* slots.release(-more)
        } else if (more > 0) {
          // It has them as connections end, in turn with the parked ones.
          withholding = yield* Effect.forkDetach(Effect.as(slots.take("", more), more), { startImmediately: true })
        }
      })
    yield* resize(settings.maxConnections)
    const lock = Semaphore.makeUnsafe(1)

    const problem = (client: Address.Address, site: string | undefined): Reason | undefined => {
      const { allow, deny, perClient } = settings
      if (Address.isUnix(client) || site === undefined) return undefined
      const has = (networks: ReadonlyArray<Address.Network>) => networks.some((it) => it.contains(client.host))
      if (has(deny) || allow.length > 0 && !has(allow)) return "denied"
      const { maxConnections = Infinity } = perClient
      return (clients.get(site) ?? 0) >= maxConnections ? "clientConnections" : undefined
    }

    const rated = (site: string | undefined, { rate }: PerClient) =>
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

    const slotted = (site: string, onParked: (change: 1 | -1) => void) => <A, E, R>(self: Effect.Effect<A, E, R>) =>
      Effect.suspend((): Effect.Effect<A, E | Refused, R> => {
        const { whenFull } = settings
        if (whenFull._tag !== "Park") {
          return Effect.flatMap(
            slots.withPermitsIfAvailable(1)(self),
            Option.match({ onNone: () => refused("full"), onSome: Effect.succeed })
          )
        }
        let has = false
        // Uninterruptible once it has the slot, or the slot would be lost.
        const take = Effect.uninterruptibleMask((restore) =>
          Effect.map(restore(slots.take(site, 1)), () => {
            has = true
          })
        )
        const wait = Effect.suspend(() => {
          onParked(1)
          return Effect.interruptible(Effect.timeoutOption(take, whenFull.timeout))
        }).pipe(Effect.ensuring(Effect.sync(() => onParked(-1))))
        return Effect.flatMap(slots.available, (free) => free > 0 ? take : wait).pipe(
          Effect.andThen(Effect.suspend((): Effect.Effect<A, E | Refused, R> => has ? self : refused("parked"))),
          Effect.ensuring(Effect.suspend(() => has ? slots.release(1) : Effect.void))
        )
      })

    return {
      settings: Effect.sync(() => settings),
      set: (changes) =>
        Effect.uninterruptible(lock.withPermit(Effect.suspend(() => {
          settings = { ...settings, ...changes }
          return resize(settings.maxConnections)
        }))),
      isFull: (held) =>
        held >= settings.maxConnections + (settings.whenFull._tag === "Park" ? settings.whenFull.max : 0),
      pass: (client, onParked) => (self) =>
        Effect.suspend(() => {
          const site = Address.isUnix(client) ? undefined : Address.siteOf(client.host)
          const reason = problem(client, site)
          if (reason !== undefined) return refused(reason)
          const admitted = Effect.andThen(rated(site, settings.perClient), slotted(site ?? "", onParked)(self))
          if (site === undefined) return admitted
          clients.set(site, (clients.get(site) ?? 0) + 1)
          return Effect.ensuring(
            admitted,
            Effect.sync(() => {
              const left = (clients.get(site) ?? 1) - 1
              if (left === 0) clients.delete(site)
              else clients.set(site, left)
            })
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
