import { type Address, Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Vector } from "@framewire/framing/testing"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { readFile } from "node:fs/promises"
import * as Bytes from "../Bytes.ts"
import * as CommandError from "../CommandError.ts"
import * as Options from "../Options.ts"

const patience = Duration.seconds(5)

const At = Schema.Union([Schema.Number, Schema.Literal("eof")])
const Recorded = Schema.Struct({
  id: Schema.String,
  source: Schema.String,
  codec: Schema.Struct({ kind: Schema.Literal("framewire"), spec: Schema.String }),
  chunks: Schema.Array(Schema.String.check(Schema.isPattern(/^([\da-f]{2})*$/i, { expected: "hex digits" }))),
  times: Schema.Array(Schema.Number),
  eof: Schema.Boolean,
  expect: Schema.Array(Schema.Union([
    Schema.Struct({ frame: Schema.String, at: At }),
    Schema.Struct({ error: Schema.String, note: Schema.optionalKey(Schema.String), at: At })
  ])),
  note: Schema.optionalKey(Schema.String)
})
type Recorded = typeof Recorded.Type
const read = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Array(Recorded)))

const what = (expectation: Recorded["expect"][number] | Vector.Expectation | undefined): string =>
  expectation === undefined
    ? "nothing"
    : "frame" in expectation
    ? expectation.frame || "an empty frame"
    : expectation.error

/** More had passed than a recording holds: whatever comes after its last frame was not recorded. */
const isFull = ({ note = "" }: Recorded) => note.includes("the recording is full")

/**
 * What the client had sent, again. A chunk waits until as many bytes have come as had before it: so it is never ahead of an
 * answer it may depend on, unless both came in one millisecond.
 */
const play = Effect.fnUntraced(function*(client: Recorded, server: Recorded, to: Address.Address) {
  const framing = yield* Options.parseFraming(server.codec.spec)
  const connection = yield* Effect.mapError(Transport.connect(to), CommandError.failure)
  const answers = Vector.chunksOf(server)
  // No more than this is kept: what is beyond differs anyway.
  const most = 2 * answers.reduce((size, chunk) => size + chunk.length, 0) + 65_536
  const chunks: Array<Uint8Array> = []
  let received = 0
  let ended = false
  const came = Latch.makeUnsafe()
  const receiving = yield* Effect.forkScoped(
    Stream.fromPull(Effect.succeed(connection.receive)).pipe(
      Stream.runForEach((chunk) => {
        chunks.push(chunk)
        received += chunk.length
        came.openUnsafe()
        return received > most ? Effect.fail("enough") : Effect.void
      }),
      Effect.andThen(Effect.sync(() => ended = true)),
      Effect.exit,
      Effect.andThen(Effect.sync(() => {
        received = Number.POSITIVE_INFINITY
        came.openUnsafe()
      }))
    )
  )
  const until = (size: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (received >= size) return Effect.void
      came.closeUnsafe()
      return Effect.andThen(came.await, until(size))
    })
  const send = Effect.gen(function*() {
    for (const [index, chunk] of Vector.chunksOf(client).entries()) {
      const time = client.times[index] ?? 0
      const before = answers.reduce(
        (size, answer, at) => size + ((server.times[at] ?? 0) < time ? answer.length : 0),
        0
      )
      yield* Effect.timeoutOption(until(before), patience)
      yield* connection.send(chunk)
    }
    if (client.eof) yield* connection.shutdownWrite
    else {
      const all = until(answers.reduce((size, answer) => size + answer.length, 0))
      // The last answers may be to what the client said after the recording was full.
      yield* isFull(client) ? Effect.timeoutOption(all, patience) : all
    }
  })
  // Why a send failed is what the answers show.
  yield* Effect.ignore(Effect.timeoutOption(send, "1 minute"))
  if (client.eof) yield* Effect.timeoutOption(Fiber.await(receiving), patience)

  const got = Vector.play(framing, chunks, ended && server.eof)
  const count = isFull(client)
    ? Math.min(got.length, server.expect.length)
    : isFull(server)
    ? server.expect.length
    : Math.max(got.length, server.expect.length)
  for (let index = 0; index < count; index++) {
    const [was, is] = [what(server.expect[index]), what(got[index])]
    if (was !== is) return `answer ${index + 1} differs: ${was} was recorded, ${is} came`
  }
  return count
}, Effect.scoped)

export const replay = Command.make(
  "replay",
  {
    file: Argument.String("file").pipe(
      Argument.withMetavar("FILE"),
      Argument.withDescription("What tap --record wrote")
    ),
    to: Options.to
  },
  Effect.fnUntraced(function*({ file, to }) {
    const address = yield* Options.parseAddress(to, "to")
    const text = yield* Effect.tryPromise({
      try: () => readFile(file, "utf8"),
      catch: (cause) => CommandError.failure({ message: cause instanceof Error ? cause.message : file })
    })
    const vectors = yield* Effect.mapError(
      read(text),
      (error) => CommandError.failure({ message: `${file}: no recording of framewire tap: ${error.message}` })
    )
    let differing = 0
    for (const client of vectors.filter(({ id }) => id.endsWith("-client"))) {
      const name = client.id.slice(0, -"-client".length)
      const server = vectors.find(({ id }) => id === `${name}-server`)
      if (server === undefined) continue
      const found = yield* play(client, server, address)
      if (typeof found === "string") differing++
      yield* Console.log(`${Bytes.visible(name)}: ${typeof found === "string" ? found : `${found} answers, the same`}`)
    }
    if (differing > 0) return yield* CommandError.failure({ message: `recordings answered otherwise: ${differing}` })
  }, Effect.provide(NodeTransport.layer))
).pipe(Command.withDescription("Send again what tap --record saw clients send, and compare the answers"))
