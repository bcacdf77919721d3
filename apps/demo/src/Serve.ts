import { Address, type Connection } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as CommandError from "./CommandError.ts"
import * as Complaints from "./Complaints.ts"
import * as Lifelog from "./Lifelog.ts"
import * as Options from "./Options.ts"
import { rooms } from "./rooms/Rooms.ts"

const option = Options.of("echo")
const host = option.text("host", { description: "The address to listen on", fallback: "127.0.0.1" })
const port = option.int("port", { description: "The port to listen on; 0 takes a free one", fallback: 8888 })
const delay = option.int("delay", {
  metavar: "MILLIS",
  description: "Wait before each echo, to see a drain",
  fallback: 0
})

const echo = Command.make(
  "echo",
  { framing: Options.framing, host, port, delay },
  Effect.fnUntraced(
    function*(options) {
      const framing = yield* Options.parseFraming(options.framing)
      if (!Address.isPort(options.port)) return yield* CommandError.usage(`--port: 0 to ${Address.maxPort}`)
      if (options.delay < 0) return yield* CommandError.usage("--delay: 0 ms or more")
      yield* Lifelog.start
      const complaints = Complaints.make()
      const answer = options.delay > 0
        ? (frame: Uint8Array) => Effect.delay(Effect.succeed(frame), Duration.millis(options.delay))
        : Effect.succeed<Uint8Array>
      const respond = Server.respond(Protocol.symmetric(framing), answer)
      const handler = (connection: Connection.Connection) =>
        Effect.catch(
          respond(connection),
          (error) => complaints.write(`framewire: client ${Address.format(connection.remote)}: ${error.reason.message}`)
        )

      yield* Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          const server = yield* restore(Server.make({ address: { host: options.host, port: options.port } }, handler))
            .pipe(
              Effect.mapError(CommandError.failure)
            )
          yield* Console.log(`listening ${Address.format(server.address)}`)
          // A signal interrupts this, and is no failure: the server drains, and the command has done its work.
          yield* Effect.exit(restore(Effect.never))
          const report = yield* server.stop
          process.exitCode = 0
          yield* complaints.end
          yield* Console.error(
            `framewire: drained ${report.open} connections in ${report.durationMillis} ms: ` +
              `${report.finished} finished, ${report.reset} reset`
          )
        })
      )
    },
    Effect.scoped,
    Effect.provide(NodeTransport.layer)
  )
).pipe(Command.withDescription("Send every frame back, until SIGINT or SIGTERM; a second one ends at once"))

export const serve = Command.make("serve").pipe(
  Command.withDescription("Run a server"),
  Command.withSubcommands([echo, rooms])
)
