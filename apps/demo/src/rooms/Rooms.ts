// `serve rooms`: one domain, three doors.
import { Address, type Connection } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { type DrainReport, type Handler, ProxyProtocol, Server } from "@framewire/server"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as CommandError from "../CommandError.ts"
import * as Complaints from "../Complaints.ts"
import * as Options from "../Options.ts"
import * as LinesDoor from "./LinesDoor.ts"
import * as RoomBus from "./RoomBus.ts"
import * as RoomStore from "./RoomStore.ts"
import * as SqliteStore from "./SqliteStore.ts"
import * as TypedDoor from "./TypedDoor.ts"
import * as WebDoor from "./web/WebDoor.ts"

const door = (name: string, port: number, description: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar("HOST:PORT"),
    Flag.withDescription(description),
    Flag.withDefault(`127.0.0.1:${port}`)
  )

const flags = {
  lines: door("lines", 8888, "Lines, for nc"),
  typed: door("typed", 8889, "Typed messages over u32be frames, for programs"),
  web: door("web", 8880, "The page"),
  data: Flag.String("data").pipe(
    Flag.withMetavar("DIR"),
    Flag.withDescription("Keep the history in DIR/rooms.sqlite; in memory without it"),
    Flag.optional
  ),
  cluster: Flag.String("cluster").pipe(
    Flag.withMetavar("URL"),
    Flag.withDescription("Share the rooms with all nodes of postgres://...; or FRAMEWIRE_CLUSTER"),
    Flag.withFallbackConfig(Config.String("FRAMEWIRE_CLUSTER")),
    Flag.optional
  ),
  node: door("node", 8887, "With --cluster: where the other nodes reach this one"),
  proxy: Flag.String("proxy").pipe(
    Flag.withMetavar("NETWORK"),
    Flag.withDescription("Lines and typed messages come through a proxy in this network, as 10.0.0.0/8, by PROXY v2"),
    Flag.optional
  ),
  history: Flag.Int("history").pipe(
    Flag.withMetavar("N"),
    Flag.withDescription("Messages that a room keeps"),
    Flag.withDefault(500)
  ),
  rate: Flag.Int("rate").pipe(
    Flag.withMetavar("N"),
    Flag.withDescription("Messages a second that a client may say"),
    Flag.withDefault(20)
  )
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
      const open = <E extends { readonly message: string }, R>(
        name: string,
        options: Server.ServerOptions,
        handler: Handler.Handler<E, R>
      ) =>
        restore(Server.make(options, complaining(handler))).pipe(
          Effect.mapError(CommandError.failure),
          Effect.tap(({ address }) => Console.log(`${name} ${Address.format(address)}`))
        )

      const { proxy, rate } = options
      const lines = yield* open(
        "lines",
        { ...LinesDoor.options, ...proxy, address: options.lines },
        yield* LinesDoor.make(rate)
      )
      const typed = yield* open(
        "typed",
        { ...TypedDoor.options, ...proxy, address: options.typed },
        yield* TypedDoor.make(rate)
      )
      const web = yield* restore(WebDoor.make(options.web, rate))
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
    const lines = yield* Options.parseAddress(options.lines)
    const typed = yield* Options.parseAddress(options.typed)
    const web = yield* Options.parseAddress(options.web)
    if (!("host" in web)) return yield* CommandError.usage("--web: HOST:PORT")
    const node = yield* Options.parseAddress(options.node)
    if (!("host" in node) || node.port === 0) return yield* CommandError.usage("--node: HOST:PORT")
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
