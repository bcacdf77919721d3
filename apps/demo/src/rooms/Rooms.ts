// `serve rooms`: one domain, three doors.
import { Address, type Connection } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { type DrainReport, type Handler, ProxyProtocol, Server } from "@framewire/server"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as CommandError from "../CommandError.ts"
import * as Complaints from "../Complaints.ts"
import * as Lifelog from "../Lifelog.ts"
import * as Options from "../Options.ts"
import * as Page from "../page/Page.ts"
import * as Hub from "../tap/Hub.ts"
import * as Probe from "../tap/Probe.ts"
import { Watch } from "../tap/Watch.ts"
import * as LinesDoor from "./LinesDoor.ts"
import * as RoomBus from "./RoomBus.ts"
import * as RoomStore from "./RoomStore.ts"
import * as SqliteStore from "./SqliteStore.ts"
import * as TypedDoor from "./TypedDoor.ts"
import * as WebDoor from "./WebDoor.ts"

/** Frames on the page; the others are counted. */
const shownASecond = 100

const option = Options.of("rooms")
const flags = {
  lines: option.text("lines", {
    metavar: "HOST:PORT",
    description: "Lines, for nc",
    fallback: "127.0.0.1:8888"
  }),
  typed: option.text("typed", {
    metavar: "HOST:PORT",
    description: "Typed messages over u32be frames, for programs",
    fallback: "127.0.0.1:8889"
  }),
  web: option.text("web", { metavar: "HOST:PORT", description: "The page", fallback: "127.0.0.1:8880" }),
  data: option.text("data", {
    metavar: "DIR",
    description: "Keep the history in DIR/rooms.sqlite; in memory without it"
  }).pipe(Flag.optional),
  cluster: Options.of().text("cluster", {
    metavar: "URL",
    description: "Share the rooms with all nodes of postgres://..."
  }).pipe(Flag.optional),
  node: option.text("node", {
    metavar: "HOST:PORT",
    description: "With --cluster: where the other nodes reach this one",
    fallback: "127.0.0.1:8887"
  }),
  proxy: option.text("proxy", {
    metavar: "NETWORK",
    description: "Lines and typed messages come through a proxy in this network, as 10.0.0.0/8, by PROXY v2"
  }).pipe(Flag.optional),
  history: option.int("history", { metavar: "N", description: "Messages that a room keeps", fallback: 500 }),
  rate: option.int("rate", { metavar: "N", description: "Messages a second that a client may say", fallback: 20 })
}

const drained = (name: string, report: DrainReport.DrainReport) =>
  `${name}: drained ${report.open} connections in ${report.durationMillis} ms: ` +
  `${report.finished} finished, ${report.reset} reset`

type Proxy = Pick<Server.ServerOptions, "proxy">

const parseProxy = (network: string): Effect.Effect<Proxy, CommandError.CommandError> => {
  const proxy = { trusted: [network] }
  return Effect.fromResult(Result.mapBoth(Result.try(() => ProxyProtocol.trusts(proxy)), {
    onSuccess: () => ({ proxy }),
    onFailure: (error) => CommandError.usage(`--proxy: ${error instanceof Error ? error.message : error}`)
  }))
}

/** What `--cluster` needs is loaded only for it. */
const clustered = (url: string, node: Address.TcpAddress, kept: number) =>
  Effect.map(
    Effect.promise(() => import("./ClusterBus.ts")),
    (ClusterBus) => ClusterBus.layer({ postgres: Redacted.make(url), node, kept })
  )

const run = (options: {
  readonly proxy: Proxy
  readonly lines: Address.Address
  readonly typed: Address.Address
  readonly web: Address.TcpAddress
  readonly rate: number
}) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const complaints = Complaints.make()
      const complaining =
        <E extends { readonly message: string }, R>(handler: Handler.Handler<E, R>) =>
        (connection: Connection.Connection) =>
          Effect.catch(handler(connection), ({ message }) =>
            Effect.flatMap(ProxyProtocol.Current, (forwarding) =>
              // A proxy that speaks for itself only asks whether we are there.
              forwarding?.header.command === "local"
                ? Effect.void
                : complaints.write(`framewire: client ${Address.format(connection.remote)}: ${message}`)))
      yield* Lifelog.start
      const hub = yield* Hub.make
      const watch = new Watch(hub, undefined, shownASecond)
      const open = <E extends { readonly _tag: string; readonly message: string }, R>(
        door: Probe.Door,
        options: Server.ServerOptions,
        handler: Handler.Handler<E, R>
      ) =>
        restore(Server.make(options, complaining(Probe.watching(watch, door, handler)))).pipe(
          Effect.mapError(CommandError.failure),
          Effect.tap((server) => Probe.follow(hub, door, server)),
          Effect.tap(({ address }) => Console.log(`${door.name} ${Address.format(address)}`))
        )

      const { proxy, rate } = options
      const lines = yield* open(
        LinesDoor.door,
        { ...LinesDoor.options, ...proxy, address: options.lines },
        yield* LinesDoor.make(rate)
      )
      const typed = yield* open(
        TypedDoor.door,
        { ...TypedDoor.options, ...proxy, address: options.typed },
        yield* TypedDoor.make(rate)
      )
      yield* Effect.forkScoped(watch.seconds(Effect.zipWith(lines.connections, typed.connections, (a, b) => a + b)))
      const web = yield* restore(Page.serve(options.web, { name: "rooms", hub, routes: yield* WebDoor.make(rate) }))
      yield* Console.log(`web ${web}`)
      yield* Console.log("ready")
      // A signal interrupts this, and is no failure: the servers drain, and the command has done its work.
      yield* Effect.exit(restore(Effect.never))
      const [ofLines, ofTyped] = yield* Effect.all([lines.stop, typed.stop], { concurrency: "unbounded" })
      process.exitCode = 0
      yield* complaints.end
      yield* Console.error(`framewire: ${drained("lines", ofLines)}\nframewire: ${drained("typed", ofTyped)}`)
    })
  )

export const rooms = Command.make(
  "rooms",
  flags,
  Effect.fnUntraced(function*(options) {
    if (options.history < 1) return yield* CommandError.usage("--history: at least 1 message")
    if (options.rate < 1) return yield* CommandError.usage("--rate: at least 1 message a second")
    const lines = yield* Options.parseAddress(options.lines, "lines")
    const typed = yield* Options.parseAddress(options.typed, "typed")
    const web = yield* Options.parseAddress(options.web, "web")
    if (!("host" in web)) return yield* CommandError.usage("--web: HOST:PORT")
    const node = yield* Options.parseAddress(options.node, "node")
    if (!("host" in node) || node.port === 0) {
      return yield* CommandError.usage("--node: HOST:PORT by which the other nodes find this one, so not port 0")
    }
    const proxy = yield* Option.match(options.proxy, {
      onNone: (): Effect.Effect<Proxy> => Effect.succeed({}),
      onSome: parseProxy
    })
    if (Option.isSome(options.cluster) && Option.isSome(options.data)) {
      return yield* CommandError.usage("--cluster or --data, not both")
    }
    const store = Option.match(options.data, {
      onNone: () => RoomStore.layerMemory(options.history),
      onSome: (directory) => SqliteStore.layer(directory, options.history)
    })
    const bus = Option.isSome(options.cluster)
      ? yield* clustered(options.cluster.value, node, options.history)
      : Layer.provide(RoomBus.layer(), store)
    yield* run({ lines, typed, web, proxy, rate: options.rate }).pipe(
      Effect.scoped,
      Effect.provide(Layer.merge(bus, NodeTransport.layer)),
      Effect.catchTag("StoreError", (error) => Effect.fail(CommandError.failure(error)))
    )
  })
).pipe(
  Command.withDescription("Rooms that people, programs and pages share, until SIGINT or SIGTERM"),
  Command.withExamples([
    { command: "framewire serve rooms", description: "then: nc 127.0.0.1 8888, and open http://127.0.0.1:8880" },
    {
      command: "framewire serve rooms --data ./rooms --lines 0.0.0.0:8888",
      description: "keep the history, let others in"
    }
  ])
)
