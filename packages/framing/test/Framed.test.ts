import { assert, describe, it } from "@effect/vitest"
import type { TransportError } from "@framewire/core"
import { Codec, Decoder, Framed, FramingError, LengthPrefixed, Lines } from "@framewire/framing"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as Stream from "effect/Stream"
import { type Batch, closed, done, fake, outcome, outcomes, type Receive, reset } from "./scripted.ts"
import { bytes, failureOf, inChunks, show } from "./support.ts"

const text = Codec.text(Lines.make({ limit: 10 }))

describe("Framed receives", () => {
  it.effect("receive: one message after the other, and Done after the last for ever", () =>
    Effect.gen(function*() {
      const { connection } = fake(["a\nb\nc", "d\n"], ["e\n"], done)
      const framed = Framed.make(connection, text)
      assert.deepStrictEqual(yield* outcomes(framed.receive, 6), ["a", "b", "cd", "e", "!Done", "!Done"])
    }))

  it.effect("receiveAll: every message of what has arrived, and no waiting for more", () =>
    Effect.gen(function*() {
      const { connection, receives } = fake(["a\nb\nc", "d\n"], ["e\nf"], ["g\n"], done)
      const framed = Framed.make(connection, text)
      assert.deepStrictEqual(yield* framed.receiveAll, ["a", "b", "cd"])
      assert.strictEqual(receives(), 1)
      assert.deepStrictEqual(yield* outcomes(framed.receiveAll, 4), [["e"], ["fg"], "!Done", "!Done"])
    }))

  it.effect("receive decodes no message that was not asked for, receiveAll the rest", () =>
    Effect.gen(function*() {
      const decoded: Array<string> = []
      const watched: Codec.Codec<string> = {
        ...text,
        decoder: Decoder.map(text.decoder, (message) => {
          decoded.push(message)
          return message
        })
      }
      const framed = Framed.make(fake(["a\nb\nc\n"], done).connection, watched)
      assert.strictEqual(yield* framed.receive, "a")
      assert.deepStrictEqual(decoded, ["a"])
      assert.deepStrictEqual(yield* framed.receiveAll, ["b", "c"])
      assert.strictEqual(yield* outcome(framed.receive), "!Done")
    }))

  it.effect("a message in many batches, and many batches for one receive", () =>
    Effect.gen(function*() {
      const codec = Codec.text(LengthPrefixed.u16be())
      const batches = inChunks(bytes("\0\x05hello\0\0\0\x02hi"), 1).map((byte) => [show(byte)])
      const framed = Framed.make(fake(...batches, done).connection, codec)
      assert.deepStrictEqual(yield* outcomes(framed.receive, 4), ["hello", "", "hi", "!Done"])
    }))

  it.effect("messages before a bad one, then the error, then those after it", () =>
    Effect.gen(function*() {
      const script: ReadonlyArray<Batch | Receive> = [["a\n\xff\n", "b\n\xfe\n\xfd\nc\n"], done]
      const expected = [
        "a",
        "!MessageError InvalidUtf8 @2",
        "b",
        "!MessageError InvalidUtf8 @6",
        "!MessageError InvalidUtf8 @8",
        "c",
        "!Done"
      ]
      const one = Framed.make(fake(...script).connection, text)
      assert.deepStrictEqual(yield* outcomes(one.receive, 7), expected)
      const all = Framed.make(fake(...script).connection, text)
      assert.deepStrictEqual((yield* outcomes(all.receiveAll, 7)).flat(), expected)
      const mixed = Framed.make(fake(...script).connection, text)
      const [first, second] = [yield* outcome(mixed.receiveAll), yield* outcome(mixed.receive)]
      assert.deepStrictEqual([first, second].flat(), expected.slice(0, 2))
      assert.strictEqual(yield* outcome(mixed.receive), "b")
    }))

  it.effect("messages before a bad frame, then its error for ever, and nothing more is received", () =>
    Effect.gen(function*() {
      const script: ReadonlyArray<Batch | Receive> = [["a\nb\n0123456789x\nlost\n"], ["lost\n"], done]
      for (const pull of ["receive", "receiveAll"] as const) {
        const { connection, receives } = fake(...script)
        const framed = Framed.make(connection, text)
        const error = "!FrameError FrameTooLong 11 > 10 @4"
        const seen = yield* outcomes<string | ReadonlyArray<string>>(framed[pull], pull === "receive" ? 4 : 3)
        assert.deepStrictEqual(seen.flat(), ["a", "b", error, error])
        assert.strictEqual(yield* outcome(framed.receive), error)
        assert.strictEqual(receives(), 1)
      }
    }))

  it.effect("a decoder is not called again after a bad frame", () =>
    Effect.gen(function*() {
      let calls = 0
      const reason = new FramingError.FrameTooLong({ size: 1, limit: 0 })
      const decoder = Decoder.make(() => (reader) => {
        if (calls++ === 0) throw new FramingError.FrameError({ reason, offset: 0, head: reader.peek(1) })
        return show(reader.take(1))
      })
      const framed = Framed.make(fake(["ab"], done).connection, { ...text, decoder })
      const error = "!FrameError FrameTooLong 1 > 0 @0"
      assert.deepStrictEqual(yield* outcomes(framed.receive, 3), [error, error, error])
      assert.strictEqual(calls, 1)
    }))

  it.effect("the peer's FIN within a frame is Truncated, for ever", () =>
    Effect.gen(function*() {
      const { connection } = fake(["\x01a\x05"], ["bc"], done)
      const framed = Framed.make(connection, LengthPrefixed.u8())
      assert.strictEqual(show(yield* framed.receive), "a")
      const error = "!FrameError Truncated 3 of 6 @2"
      assert.deepStrictEqual(yield* outcomes(framed.receive, 2), [error, error])
      assert.strictEqual(yield* outcome(framed.receiveAll), error)
    }))

  it.effect("a ReceiveError passes through as it is, after every whole message", () =>
    Effect.gen(function*() {
      const framed = Framed.make(fake(["a\nb\nhalf"], Effect.fail(reset)).connection, text)
      assert.deepStrictEqual(yield* outcomes(framed.receive, 4), ["a", "b", "!ReceiveError", "!ReceiveError"])
      assert.strictEqual(yield* Effect.flip(framed.receive), reset)
    }))

  it.effect("a defect of the connection stays one, also where Done came with it", () =>
    Effect.gen(function*() {
      for (const failing of [Effect.die("defect"), Effect.ensuring(done, Effect.die("defect"))]) {
        const exit = yield* Effect.exit(Framed.make(fake(failing).connection, text).receive)
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      }
    }))

  it.effect("a decoder that breaks its contract is a defect, and not a hang", () =>
    Effect.gen(function*() {
      const idle: Codec.Codec<string> = { ...text, decoder: Decoder.make(() => () => "again") }
      const exit = yield* Effect.exit(Framed.make(fake(["a"], done).connection, idle).receiveAll)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    }))

  it.effect("an interrupted receive loses nothing, wherever the fiber was", () =>
    Effect.gen(function*() {
      // Half a message a batch, so that a lost batch would show; small budgets, so that fibers yield everywhere.
      for (const budget of [2048, 100, 50, 30, 20, 15, 10, 7]) {
        let batches = 0
        const half = Effect.callback<[Uint8Array], TransportError.ReceiveError>((resume) => {
          const message = `${batches >> 1}\n`
          const at = message.length >> 1
          resume(Exit.succeed([bytes(batches++ % 2 === 0 ? message.slice(0, at) : message.slice(at))]))
        })
        const framed = Framed.make(fake(half).connection, text)
        const received: Array<number> = []
        const forever = Effect.forever(Effect.map(framed.receive, (message) => received.push(Number(message))), {
          disableYield: true
        })
        for (let round = 0; round < 100; round++) {
          const fiber = yield* Effect.forkChild(
            Effect.provideService(forever, Scheduler.MaxOpsBeforeYield, budget + round % 9)
          )
          for (let turn = 0; turn <= round % 3; turn++) yield* Effect.yieldNow
          yield* Fiber.interrupt(fiber)
        }
        assert.isAtLeast(received.length, 10)
        assert.deepStrictEqual(received, received.map((_, index) => index), `a budget of ${budget}`)
      }
    }))

  it.effect("a receive that waits can be interrupted, and the next one goes on with what was there", () =>
    Effect.gen(function*() {
      const { connection, receives } = fake(["ha"], Effect.never, ["lf\n"], done)
      const framed = Framed.make(connection, text)
      const waiting = yield* Effect.forkChild(framed.receive)
      yield* Effect.yieldNow
      assert.strictEqual(receives(), 2)
      yield* Fiber.interrupt(waiting)
      assert.strictEqual(yield* outcome(framed.receive), "half")
    }))
})

describe("Framed.messages", () => {
  it.effect("are all messages until FIN", () =>
    Effect.gen(function*() {
      const framed = Framed.make(fake(["a\nb\n"], ["c\nd"], done).connection, text)
      assert.deepStrictEqual(yield* Stream.runCollect(framed.messages), ["a", "b", "c", "d"])
    }))

  it.effect("end with a failure after the messages before it, and can be run on from there", () =>
    Effect.gen(function*() {
      const framed = Framed.make(fake(["a\n\xff\nb\n"], done).connection, text)
      const seen: Array<string> = []
      const run = Stream.runForEach(framed.messages, (message) => Effect.sync(() => seen.push(message)))
      const error = yield* Effect.flip(run)
      assert.strictEqual(error._tag, "MessageError")
      assert.deepStrictEqual(seen, ["a"])
      yield* run
      assert.deepStrictEqual(seen, ["a", "b"])
    }))
})

describe("Framed sends", () => {
  it.effect("one write a message, one write a batch", () =>
    Effect.gen(function*() {
      const { connection, sent } = fake(done)
      const framed = Framed.make(connection, text)
      yield* framed.send("a")
      yield* framed.sendAll(["b", "c", "d"])
      yield* framed.send("")
      assert.deepStrictEqual(sent, ["a\n", "b\nc\nd\n", "\n"])
    }))

  it.effect("nothing at all where one message is refused", () =>
    Effect.gen(function*() {
      const { connection, sent } = fake(done)
      const framed = Framed.make(connection, text)
      const error = yield* Effect.flip(framed.sendAll(["a", "b\nc", "d"]))
      assert.instanceOf(error, FramingError.MessageError)
      assert.strictEqual(failureOf(error), "MessageError ContainsDelimiter 1")
      yield* Effect.flip(framed.send("01234567890"))
      assert.deepStrictEqual(sent, [])
      yield* framed.send("e")
      assert.deepStrictEqual(sent, ["e\n"])
    }))

  it.effect("encodes when it runs, each time that it runs", () =>
    Effect.gen(function*() {
      const { connection, sent } = fake(done)
      const send = Framed.make(connection, text).send("a")
      assert.deepStrictEqual(sent, [])
      yield* send
      yield* send
      assert.deepStrictEqual(sent, ["a\n", "a\n"])
    }))

  it.effect("a SendError passes through as it is", () =>
    Effect.gen(function*() {
      const { connection, refuse } = fake(done)
      refuse()
      assert.strictEqual(yield* Effect.flip(Framed.make(connection, text).send("a")), closed)
    }))

  it.effect("after the end of what is received, and after its errors", () =>
    Effect.gen(function*() {
      for (const script of [[done], [["\xff\n"]], [Effect.fail(reset)]]) {
        const { connection, sent } = fake(...script)
        const framed = Framed.make(connection, text)
        yield* outcome(framed.receive)
        yield* framed.send("still")
        assert.deepStrictEqual(sent, ["still\n"])
      }
    }))
})
