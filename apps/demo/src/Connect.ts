import { Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { ByteReader, type Codec, Decoder, Framed, Lines } from "@framewire/framing"
import * as Arr from "effect/Array"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Bytes from "./Bytes.ts"
import * as CommandError from "./CommandError.ts"
import * as Options from "./Options.ts"

const decoder = new TextDecoder()
const lineFeed = Buffer.of(0x0a)

/** The lines of standard input, in the batches in which they come. */
const inputLines = (stdio: Stdio.Stdio) => {
  const reader = ByteReader.make()
  const step = Lines.make().decoder.start()
  const take = Effect.suspend(() => {
    const lines: Array<Uint8Array> = []
    const error = Decoder.run(step, reader, lines)
    return error === undefined ? Effect.succeed(lines) : Effect.fail(error)
  })
  const push = (chunk: Uint8Array) => Effect.suspend(() => (reader.push(chunk), take))
  const end = Effect.suspend(() => (reader.end(), take))
  return Stream.concat(Stream.mapEffect(stdio.stdin, push), Stream.fromEffect(end)).pipe(
    Stream.mapError((error) => CommandError.failure({ message: `standard input: ${error.message}` }))
  )
}

const talk = Effect.fnUntraced(function*(address: string, framing: Codec.Framing) {
  const remote = yield* Options.parseAddress(address)
  const connection = yield* Effect.mapError(Transport.connect(remote), CommandError.failure)
  const framed = Framed.make(connection, framing)
  const stdio = yield* Stdio.Stdio
  let refused = 0
  let broken = false

  const sendEach = (lines: ReadonlyArray<Uint8Array>) =>
    Effect.forEach(lines, (line) =>
      Effect.catchTag(framed.send(line), "MessageError", (error) => {
        refused++
        return Console.error(`framewire: not sent: ${error.message}`)
      }), { discard: true })
  const sending = inputLines(stdio).pipe(
    // A batch by one write, unless one of its lines is refused.
    Stream.runForEach((lines) => Effect.catchTag(framed.sendAll(lines), "MessageError", () => sendEach(lines))),
    // What was sent before the input failed still gets its answers.
    Effect.catchTag("CommandError", ({ message }) => {
      broken = true
      return Console.error(`framewire: ${message}`)
    }),
    Effect.andThen(connection.shutdownWrite),
    // Why the line is gone is what receiving will say.
    Effect.catchTag("SendError", () => Effect.void)
  )

  // A terminal gets control characters written out, a program gets the bytes.
  const toLines = (yield* stdio.stdoutIsTerminal)
    ? (frames: ReadonlyArray<Uint8Array>) => frames.map((frame) => `${Bytes.visible(decoder.decode(frame))}\n`).join("")
    : (frames: ReadonlyArray<Uint8Array>) => Buffer.concat(frames.flatMap((frame) => [frame, lineFeed]))
  const receiving = Stream.fromPull(Effect.succeed(Effect.map(framed.receiveAll, (frames) => Arr.of(toLines(frames)))))
    .pipe(Stream.run(stdio.stdout()), Effect.mapError(CommandError.failure))

  yield* Effect.raceFirst(receiving, Effect.andThen(sending, Effect.never))
  if (broken) return yield* new CommandError.CommandError({ message: "", exitCode: 1 })
  if (refused > 0) return yield* CommandError.failure({ message: `lines not sent: ${refused}` })
})

export const connect = Command.make(
  "connect",
  { address: Options.address, framing: Options.framing },
  Effect.fnUntraced(function*({ address, framing }) {
    yield* Effect.scoped(talk(address, yield* Options.parseFraming(framing)))
  }, Effect.provide(NodeTransport.layer))
).pipe(Command.withDescription("Send each line of standard input as a frame, print each frame as a line"))
