import * as NodeStream from "@effect/platform-node/NodeStream"
import { ByteReader, Decoder, FramingError } from "@framewire/framing"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { createReadStream } from "node:fs"
import * as Bytes from "./Bytes.ts"
import * as CommandError from "./CommandError.ts"
import * as Options from "./Options.ts"

const file = Argument.String("file").pipe(
  Argument.withMetavar("FILE"),
  Argument.withDescription("The bytes to decode; standard input without it"),
  Argument.optional
)
const option = Options.of("inspect")
const json = option.toggle("json", { description: "One JSON object a line, for programs", fallback: false })
const chunks = option.int("chunks", {
  metavar: "N",
  description: "Cut the input into chunks of N bytes; the frames must not change"
})

interface Frame {
  readonly frame: Uint8Array
  readonly offset: number
}

const frameLine = ({ frame, offset }: Frame, number: number) =>
  `#${number}  offset ${offset}  ${frame.length} bytes  ${Bytes.spacedHex(frame)}  ${Bytes.quoted(frame)}`

const frameJson = ({ frame, offset }: Frame) => JSON.stringify({ frame: Bytes.hex(frame), offset })

const errorJson = (error: FramingError.FrameError | FramingError.MessageError) => {
  const details = Object.fromEntries(
    Object.entries(error.reason).filter(([key]) => key !== "_tag" && key !== "message")
  )
  return JSON.stringify({ error: error.reason._tag, offset: error.offset, ...details, message: error.message })
}

const cut = (size: number) => (chunk: Uint8Array) =>
  Array.from({ length: Math.ceil(chunk.length / size) }, (_, i) => chunk.subarray(i * size, (i + 1) * size))

export const inspect = Command.make(
  "inspect",
  { file, framing: Options.framing, json, chunks: Flag.optional(chunks) },
  Effect.fnUntraced(function*(options) {
    const framing = yield* Options.parseFraming(options.framing)
    const size = Option.getOrUndefined(options.chunks)
    if (size !== undefined && size < 1) return yield* CommandError.usage("--chunks: at least 1 byte")

    const stdio = yield* Stdio.Stdio
    const bytes: Stream.Stream<Uint8Array, { readonly message: string }> = Option.match(options.file, {
      onNone: () => stdio.stdin,
      onSome: (path) =>
        NodeStream.fromReadable<Uint8Array, Error>({
          evaluate: () => createReadStream(path),
          onError: (cause) => cause instanceof Error ? cause : new Error(String(cause))
        })
    })

    const reader = ByteReader.make()
    const step = Decoder.map(framing.decoder, (frame, offset): Frame => ({ frame, offset })).start()
    let number = 0
    // Waits until its reader takes it: what is printed is larger than what was read.
    const print = (lines: ReadonlyArray<string>) =>
      lines.length === 0
        ? Effect.void
        : Effect.mapError(Stream.run(Stream.make(`${lines.join("\n")}\n`), stdio.stdout()), CommandError.failure)
    const shown = (error: FramingError.FrameError | FramingError.MessageError) =>
      `${error.reason._tag}: ${error.message}`
    let refused = false
    const decode: Effect.Effect<void, CommandError.CommandError> = Effect.suspend(() => {
      const frames: Array<Frame> = []
      const error = Decoder.run(step, reader, frames)
      const lines = frames.map((frame) => options.json ? frameJson(frame) : frameLine(frame, ++number))
      if (error === undefined) return print(lines)
      if (options.json) lines.push(errorJson(error))
      if (error instanceof FramingError.FrameError) {
        return Effect.andThen(
          print(lines),
          options.json
            ? new CommandError.CommandError({ message: "", exitCode: 1 })
            : CommandError.failure({ message: shown(error) })
        )
      }
      // The next one is fine.
      refused = true
      return print(lines).pipe(
        Effect.andThen(options.json ? Effect.void : Console.error(`framewire: ${Bytes.visibleLines(shown(error))}`)),
        Effect.andThen(decode)
      )
    })
    const push = (chunk: Uint8Array) => {
      reader.push(chunk)
      return decode
    }

    yield* bytes.pipe(
      Stream.mapError(CommandError.failure),
      size === undefined ? (self) => self : Stream.flatMap((chunk) => Stream.fromIterable(cut(size)(chunk))),
      Stream.runForEach(push)
    )
    reader.end()
    yield* decode
    if (refused) return yield* new CommandError.CommandError({ message: "", exitCode: 1 })
  })
).pipe(Command.withDescription("Decode bytes from a file or standard input, a line a frame"))
