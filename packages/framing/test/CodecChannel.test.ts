import { assert, describe, it } from "@effect/vitest"
import { EffectSocket, Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Codec, CodecChannel, type FramingError, LengthPrefixed, Lines } from "@framewire/framing"
import type * as Arr from "effect/Array"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import { bytes, cuttings, encoded, failureOf, join } from "./support.ts"

const text = Codec.text(Lines.make({ limit: 10 }))
const json = Codec.json(Schema.Struct({ id: Schema.Int }))(LengthPrefixed.u16be())

/** Messages, and at last the failure, that a stream of bytes gives. */
const decoded = <In>(codec: Codec.Codec<In, never>, chunks: ReadonlyArray<Uint8Array>) =>
  Effect.gen(function*() {
    const seen: Array<In | string> = []
    const stream = Stream.pipeThroughChannel(Stream.fromIterable(chunks), CodecChannel.decode(codec))
    const run = Stream.runForEach(stream, (message) => Effect.sync(() => void seen.push(message)))
    yield* Effect.catch(run, (error: FramingError.FrameError | FramingError.MessageError) =>
      Effect.sync(() =>
        void seen.push(`!${failureOf(error)}`)
      ))
    return seen
  })

describe("CodecChannel", () => {
  it.effect("decode: messages and failures in order, however the bytes are cut", () =>
    Effect.gen(function*() {
      const vectors: Record<string, ReadonlyArray<string>> = {
        "a\n\nb\nc": ["a", "", "b", "c"],
        "": [],
        "a\n\xff\nb\n": ["a", "!MessageError InvalidUtf8 @2"],
        "a\n0123456789x\n": ["a", "!FrameError FrameTooLong 11 > 10 @2"]
      }
      for (const [stream, expected] of Object.entries(vectors)) {
        for (const chunks of cuttings(bytes(stream))) {
          const some = chunks.filter(({ length }) => length > 0)
          assert.deepStrictEqual(yield* decoded(text, some), expected)
        }
      }
      const truncated = yield* decoded(Codec.text(LengthPrefixed.u8()), [bytes("\x01a\x02b")])
      assert.deepStrictEqual(truncated, ["a", "!FrameError Truncated 2 of 3 @2"])
    }))

  it.effect("encode: batch by batch, and nothing of a batch with a message that is refused", () =>
    Effect.gen(function*() {
      const sent: Array<Uint8Array> = []
      const messages = Stream.fromArrays(["a", "b"], ["c", "d\n"], ["e"])
      const stream = Stream.pipeThroughChannel(messages, CodecChannel.encode(text))
      const error = yield* Effect.flip(Stream.runForEach(stream, (chunk) => Effect.sync(() => void sent.push(chunk))))
      assert.strictEqual(failureOf(error), "MessageError ContainsDelimiter 1")
      assert.deepStrictEqual(join(sent), encoded(text, ["a", "b"]))
    }))

  it.live("duplex: any codec over Effect's Socket", () =>
    Effect.gen(function*() {
      const listener = yield* Transport.listen({ host: "127.0.0.1", port: 0 }, { linger: 0 })
      const echo = Effect.flatMap(listener.accept, (connection) =>
        Stream.runForEachArray(
          Stream.fromPull(Effect.succeed(connection.receive)),
          connection.sendAll
        ).pipe(Effect.andThen(connection.shutdownWrite)))
      yield* Effect.forkScoped(echo)
      const transport = yield* Transport.Transport
      const socket = EffectSocket.toSocket(transport.connect(listener.address, { linger: 10 }))
      const messages = Array.from({ length: 100 }, (_, id) => ({ id }))
      const channel = CodecChannel.duplex(Socket.toChannel<FramingError.MessageError>(socket), json)
      const piped: Channel.Channel<Arr.NonEmptyReadonlyArray<{ readonly id: number }>, unknown> = Channel.pipeTo(
        Channel.concatWith(Channel.fromIterableArray(messages), () => Channel.never),
        channel
      )
      const back = yield* Stream.runCollect(Stream.take(Stream.fromChannel(piped), messages.length))
      assert.deepStrictEqual(back, messages)
    }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer), Effect.timeout("10 seconds")))
})
