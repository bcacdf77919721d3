// The rooms on several nodes: one owner a room, which Effect Cluster finds, and finds again when its node is gone. All that is
// known of Effect Cluster is here.
//
// node A: RoomBus -> RoomNode --+                     +--> PostgresStore
// node B: RoomBus -> RoomNode --+--> Entity: RoomOwner --> PostgresStore
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Address } from "@framewire/core"
import * as Entity from "effect/cluster/Entity"
import * as MessageStorage from "effect/cluster/MessageStorage"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SqlRunnerStorage from "effect/cluster/SqlRunnerStorage"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import * as CommandError from "../CommandError.ts"
import { Refused, RoomEvent, type Why } from "./Messages.ts"
import * as PostgresStore from "./PostgresStore.ts"
import * as RoomBus from "./RoomBus.ts"
import * as RoomNode from "./RoomNode.ts"
import * as RoomOwner from "./RoomOwner.ts"
import { StoreError } from "./RoomStore.ts"

const Room = Entity.make("framewire/Room", [
  Rpc.make("Tell", {
    payload: RoomOwner.Telling,
    success: Schema.Array(RoomOwner.Outcome),
    error: Refused
  }),
  Rpc.make("Hear", { payload: { node: Schema.String }, success: Schema.Array(RoomEvent), stream: true })
])

/** A node that is gone has left its rooms after 3 to 4 s; with Effect's defaults it takes 35 s. */
const config = (address: RunnerAddress.RunnerAddress) => ({
  runnerAddress: Option.some(address),
  shardsPerGroup: 64,
  refreshAssignmentsInterval: "500 millis",
  runnerHealthCheckInterval: "1 second",
  shardLockRefreshInterval: "1 second",
  shardLockExpiration: "3 seconds",
  entityTerminationTimeout: "1 second",
  simulateRemoteSerialization: false
} as const)

/** The nodes that are there, by their heartbeat. */
const nodes = Effect.map(
  RunnerStorage.RunnerStorage,
  ({ getRunners }) =>
    getRunners.pipe(
      Effect.map((runners) => runners.map(([{ address: { host, port } }]) => Address.format({ host, port }))),
      Effect.mapError((error) => new StoreError({ message: PostgresStore.messageOf(error) }))
    )
)

const owners = (store: PostgresStore.PostgresStore, members: number) =>
  Room.toLayer(
    Effect.gen(function*() {
      const { entityId } = yield* Entity.CurrentAddress
      const owner = yield* RoomOwner.make(entityId, store, yield* nodes, members)
      return {
        Tell: ({ payload }) => owner.tell(payload),
        Hear: ({ payload }) => owner.hear(payload.node)
      }
    }),
    { concurrency: "unbounded" }
  )

const bus = (node: string, store: PostgresStore.PostgresStore, maxRooms: number) =>
  Effect.gen(function*() {
    const ownerOf = yield* Room.client
    const present = yield* nodes
    const watchers = new Set<(events: ReadonlyArray<RoomEvent>) => Effect.Effect<void>>()
    yield* store.forget(node)

    const rooms = yield* RcMap.make({
      lookup: (room: string) => {
        const owner = ownerOf(room)
        return RoomNode.make({
          node,
          room,
          store,
          owner: { tell: (telling) => owner.Tell(telling), hear: (node) => owner.Hear({ node }) },
          publish: (events) => Effect.forEach(watchers, (watcher) => watcher(events), { discard: true })
        })
      },
      idleTimeToLive: "10 seconds"
    })

    const join = (joining: RoomBus.Joining) =>
      Effect.gen(function*() {
        const { name, room } = joining
        yield* RoomBus.checkNames(room, name)
        if (!(yield* Effect.mapError(store.admits(room, maxRooms), RoomBus.notKept))) {
          return yield* RoomBus.tooManyRooms(maxRooms)
        }
        const stay = yield* Scope.make()
        const close = Scope.close(stay, Exit.void)
        const here = yield* Scope.provide(RcMap.get(rooms, room), stay)
        const id = randomUUID()
        yield* Effect.onError(here.enter(id, joining), () => close)
        let seated = true
        let said = 0
        return {
          room,
          name,
          say: (text: string) =>
            Effect.andThen(
              RoomBus.checkText(text),
              () => seated ? here.say(`${id}/${said++}`, name, text) : Effect.fail(RoomBus.notJoined(room))
            ),
          leave: (why: Why) =>
            Effect.suspend(() => {
              if (!seated) return Effect.void
              seated = false
              return Effect.andThen(here.leave(id, why), close)
            })
        }
      }).pipe(Effect.uninterruptible)

    return RoomBus.RoomBus.of({
      join,
      who: (room) =>
        Effect.mapError(Effect.flatMap(present, (nodes) => store.members(room, nodes)), RoomBus.notKept).pipe(
          Effect.map((members) => members.map(({ name }) => name))
        ),
      history: (room, after) => Effect.mapError(store.read(room, after, RoomBus.page), RoomBus.notKept),
      rooms: Effect.mapError(Effect.flatMap(present, store.rooms), RoomBus.notKept),
      watch: (listener) =>
        Effect.acquireRelease(
          Effect.sync(() => watchers.add(listener)),
          () => Effect.sync(() => watchers.delete(listener))
        )
    })
  })

export interface Options {
  readonly postgres: Redacted.Redacted
  /** Where the other nodes reach this one. */
  readonly node: Address.TcpAddress
  /** Messages that a room keeps. */
  readonly kept: number
}

/** It logs each of its attempts with a stack; people are told of what fails where they ask for it. */
const quiet = Layer.effect(
  References.MinimumLogLevel,
  Effect.map(References.MinimumLogLevel, (level) => level === "Info" ? "Error" : level)
)

/** A node of the rooms that this database holds. */
export const layer = (options: Options): Layer.Layer<RoomBus.RoomBus, CommandError.CommandError> => {
  const refuse = (error: unknown) =>
    CommandError.failure({ message: `--cluster ${placeOf(options.postgres)}: ${PostgresStore.messageOf(error)}` })
  const sql = PgClient.layer({ url: options.postgres, applicationName: "framewire rooms" })
  const sharding = config(RunnerAddress.make(options.node.host, options.node.port))
  const storage = Layer.merge(
    // What waits for an answer is told again by the node that it was said at.
    MessageStorage.layerNoop,
    Layer.orDie(SqlRunnerStorage.layerWith({ prefix: "framewire" }))
  ).pipe(Layer.provide(ShardingConfig.layer(sharding)))
  const cluster = Layer.provideMerge(NodeClusterSocket.layer({ storage: "byo", shardingConfig: sharding }), storage)

  return Layer.unwrap(
    Effect.map(
      PostgresStore.make(options.kept),
      (store) =>
        Layer.effect(RoomBus.RoomBus, bus(Address.format(options.node), store, 1024)).pipe(
          Layer.provide(owners(store, 512)),
          Layer.provide(cluster)
        )
    )
  ).pipe(
    Layer.provide(sql),
    Layer.provide(quiet),
    Layer.catch((error) => Layer.effect(RoomBus.RoomBus, Effect.fail(refuse(error))))
  )
}

/** Without who it is, and the password. */
const placeOf = (postgres: Redacted.Redacted) => {
  const url = Redacted.value(postgres)
  if (!URL.canParse(url)) return "URL"
  const { host, pathname, protocol } = new URL(url)
  return `${protocol}//${host}${pathname}`
}
