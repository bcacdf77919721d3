import { assert, describe, it } from "@effect/vitest"
import {
  Cobs,
  Codec,
  ConcatenatedJson,
  ContentLength,
  Delimited,
  Framed,
  type FramingError,
  JsonSequence,
  LengthPrefixed,
  Lines,
  Preset,
  Slip,
  SunRpcRecord
} from "@framewire/framing"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type Batch, done, fake, outcome, outcomes } from "./scripted.ts"
import { bytes, cuttings, encoded, join, show } from "./support.ts"

const text = Codec.text(Lines.make({ limit: 10 }))
const u8 = Codec.text(LengthPrefixed.u8())

/** The script of what comes, for every cut of it: a batch a chunk, and all of them in one. */
const scripts = (all: string): ReadonlyArray<ReadonlyArray<Batch>> =>
  cuttings(bytes(all)).map((chunks) => chunks.filter(({ length }) => length > 0).map(show)).flatMap((
    texts
  ) => [texts.map((it) => [it]), [texts]])

const collected = <E>(stream: Stream.Stream<Uint8Array, E>) =>
  Effect.map(Stream.runCollect(stream), (chunks) => show(join(chunks)))
const dies = (effect: Effect.Effect<unknown, unknown>) =>
  Effect.map(Effect.exit(effect), (exit) => Exit.isFailure(exit) && Cause.hasDies(exit.cause))

describe("Framed.switchTo", () => {
  it.effect("what is left is framed by the next codec, however it came", () =>
    Effect.gen(function*() {
      for (const script of scripts("a\nnumbers\n\x012\x00\x0234x\ny")) {
        const lines = Framed.make(fake(...script, done).connection, text)
        assert.deepStrictEqual(yield* outcomes(lines.receive, 2), ["a", "numbers"])
        const numbers: Framed.Framed<string, string> = yield* lines.switchTo(u8)
        assert.deepStrictEqual(yield* outcomes(numbers.receive, 3), ["2", "", "34"])
        const again = yield* numbers.switchTo(text)
        assert.deepStrictEqual(yield* outcomes(again.receive, 3), ["x", "y", "!Done"])
      }
    }))

  it.effect("with another limit, and offsets that go on", () =>
    Effect.gen(function*() {
      const login = Framed.make(fake(["hi\n0123456789x\n0123456789xy\nlost\n"], done).connection, text)
      assert.strictEqual(yield* login.receive, "hi")
      const session = yield* login.switchTo(Codec.text(Lines.make({ limit: 11 })))
      const error = "!FrameError FrameTooLong 12 > 11 @15"
      assert.deepStrictEqual(yield* outcomes(session.receive, 3), ["0123456789x", error, error])
      // Another codec does not find what a bad frame has lost.
      assert.strictEqual(yield* outcome((yield* session.switchTo(text)).receive), error)
    }))

  it.effect("with other types each way", () =>
    Effect.gen(function*() {
      const { connection, sent } = fake(["a\n{\"n\":1}\n"], done)
      const first = Framed.make(connection, text)
      yield* first.receive
      const json = Codec.json(Schema.Struct({ n: Schema.Int }))(Lines.make())
      const next = yield* first.switchTo(Codec.duplex(json, u8))
      const { n } = yield* next.receive
      yield* next.send(`${n}!`)
      assert.deepStrictEqual(sent, ["\x021!"])
    }))

  it.effect("what was before is over: to use it is a defect", () =>
    Effect.gen(function*() {
      const { connection, sent } = fake(["a\nb\n"], done)
      const old = Framed.make(connection, text)
      const next = yield* old.switchTo(text)
      const uses = [
        old.receive,
        old.receiveAll,
        old.send("x"),
        old.sendAll([]),
        old.raw(1),
        old.switchTo(u8),
        old.upgradeTls({ client: {} }),
        Stream.runDrain(old.messages),
        Stream.runDrain(old.rest),
        Stream.runDrain(old.rawStream(1))
      ]
      for (const use of uses) assert.isTrue(yield* dies(use))
      assert.deepStrictEqual(sent, [])
      assert.deepStrictEqual(yield* outcomes(next.receive, 3), ["a", "b", "!Done"])
    }))

  it.effect("a bad message that was not reported yet is reported", () =>
    Effect.gen(function*() {
      const framed = Framed.make(fake(["a\n\xff\nb\n"], done).connection, text)
      assert.deepStrictEqual(yield* framed.receiveAll, ["a"])
      const next = yield* framed.switchTo(text)
      assert.deepStrictEqual(yield* outcomes(next.receive, 3), ["!MessageError InvalidUtf8 @2", "b", "!Done"])
    }))
})

describe("Framed.raw", () => {
  it.effect("the next bytes, whatever they are, then messages again", () =>
    Effect.gen(function*() {
      for (const script of scripts("5\nhe\nlob\nrest")) {
        const framed = Framed.make(fake(...script, done).connection, text)
        const size = Number(yield* framed.receive)
        assert.strictEqual(show(yield* framed.raw(size)), "he\nlo")
        assert.strictEqual((yield* framed.raw(0)).length, 0)
        assert.strictEqual(yield* framed.receive, "b")
        assert.deepStrictEqual(yield* outcomes(framed.receive, 2), ["rest", "!Done"])
      }
    }))

  it.effect("FIN before the last of them is Truncated, for ever", () =>
    Effect.gen(function*() {
      for (const script of scripts("abc")) {
        const framed = Framed.make(fake(...script, done).connection, text)
        const error = "!FrameError Truncated 3 of 4 @0"
        assert.strictEqual(yield* outcome(framed.raw(4)), error)
        assert.strictEqual(yield* outcome(framed.receive), error)
      }
      const none = Framed.make(fake(done).connection, text)
      assert.strictEqual(yield* outcome(none.raw(1)), "!FrameError Truncated 0 of 1 @0")
    }))

  it.effect("are limited: one below, at and above", () =>
    Effect.gen(function*() {
      const framed = () => Framed.make(fake(["abcdef"], done).connection, text)
      assert.strictEqual(show(yield* framed().raw(2, { limit: 3 })), "ab")
      assert.strictEqual(show(yield* framed().raw(3, { limit: 3 })), "abc")
      assert.strictEqual(yield* outcome(framed().raw(4, { limit: 3 })), "!FrameError FrameTooLong 4 > 3 @0")
      assert.strictEqual(yield* outcome(framed().raw(1_048_577)), "!FrameError FrameTooLong 1048577 > 1048576 @0")
    }))

  it("a size that is none is refused", () => {
    const framed = Framed.make(fake(done).connection, text)
    for (const size of [-1, 0.5, Number.NaN, 2 ** 53]) {
      assert.throws(() => framed.raw(size), /size is/)
      assert.throws(() => framed.rawStream(size), /size is/)
    }
  })

  it.effect("what a receive in vain had looked at may be taken, and is forgotten", () =>
    Effect.gen(function*() {
      const framings: Readonly<Record<string, Codec.Framing>> = {
        lines: Lines.make(),
        delimited: Delimited.make({ delimiter: "abc" }),
        slip: Slip.make(),
        cobs: Cobs.make(),
        json: ConcatenatedJson.make(),
        sequence: JsonSequence.framing(),
        headers: ContentLength.make(),
        sunrpc: SunRpcRecord.make(),
        mllp: Preset.mllp()
      }
      const looked: Readonly<Record<string, string>> = {
        delimited: "xab",
        json: "{[[\"",
        sequence: "[[",
        headers: "Content-Length: 500\r\n\r\n",
        sunrpc: "\0\0\0\x01a\0\0",
        slip: "a\xdb\xdc\xdb",
        cobs: "\x02a\x09",
        mllp: "\x0babc\x1c"
      }
      for (const [name, framing] of Object.entries(framings)) {
        const before = looked[name] ?? "ab"
        const message = "{\"c\":1}"
        const behind = show(encoded(framing, [bytes(message), bytes(message)]))
        for (const how of ["raw", "rawStream", "dropped", "rest"] as const) {
          let round = 0
          const then = Effect.suspend(() =>
            round++ === 0 ? Effect.never : Effect.succeed<[Uint8Array]>([bytes(behind)])
          )
          const framed = Framed.make(fake([before], then).connection, framing)
          const waiting = yield* Effect.forkChild(framed.receive, { startImmediately: true })
          yield* Effect.yieldNow
          yield* Fiber.interrupt(waiting)
          const size = before.length
          if (how === "raw") assert.strictEqual(show(yield* framed.raw(size)), before)
          else if (how === "rest") yield* Stream.runDrain(Stream.take(framed.rest, 1))
          else yield* Stream.runForEachWhile(framed.rawStream(size), () => Effect.succeed(how === "rawStream"))
          const label = `${name}, ${how}`
          assert.strictEqual(show(yield* framed.receive), message, label)
          assert.strictEqual(show(yield* framed.receive), message, label)
        }
      }
    }))

  it.effect("an interrupted raw has taken nothing, wherever the fiber was", () =>
    Effect.gen(function*() {
      for (const budget of [2048, 100, 50, 30, 20, 15, 10, 7]) {
        let batches = 0
        // Four bytes in two batches, which end up as one number.
        const half = Effect.callback<[Uint8Array]>((resume) => {
          const whole = String(1000 + (batches >> 1))
          resume(Effect.succeed([bytes(batches++ % 2 === 0 ? whole.slice(0, 1) : whole.slice(1))]))
        })
        const framed = Framed.make(fake(half).connection, text)
        const received: Array<number> = []
        const forever = Effect.forever(
          Effect.map(framed.raw(4), (raw) => received.push(Number(show(raw)))),
          { disableYield: true }
        )
        for (let round = 0; round < 50; round++) {
          const fiber = yield* Effect.forkChild(
            Effect.provideService(forever, Scheduler.MaxOpsBeforeYield, budget + round % 9)
          )
          for (let turn = 0; turn <= round % 3; turn++) yield* Effect.yieldNow
          yield* Fiber.interrupt(fiber)
        }
        assert.isAtLeast(received.length, 10)
        assert.deepStrictEqual(received, received.map((_, index) => 1000 + index), `a budget of ${budget}`)
      }
    }))
})

describe("Framed.rawStream", () => {
  it.effect("the bytes in chunks as they come, then messages again", () =>
    Effect.gen(function*() {
      for (const script of scripts("9\n123\n5678\nb\n")) {
        const framed = Framed.make(fake(...script, done).connection, text)
        const size = Number(yield* framed.receive)
        assert.strictEqual(yield* collected(framed.rawStream(size)), "123\n5678\n")
        assert.deepStrictEqual(yield* outcomes(framed.receive, 2), ["b", "!Done"])
      }
    }))

  it.effect("holds no more than a batch, and copies nothing", () =>
    Effect.gen(function*() {
      const chunk = new Uint8Array(65_536)
      const { connection } = fake(Effect.sync((): [Uint8Array] => [chunk]))
      const framed = Framed.make(connection, text)
      let total = 0
      yield* Stream.runForEach(framed.rawStream(2 ** 28 + 1), (part) => {
        assert.strictEqual(part.buffer, chunk.buffer)
        total += part.length
        return Effect.void
      })
      assert.strictEqual(total, 2 ** 28 + 1)
    }))

  it.effect("what was not run to its end is dropped, and no message is found in it", () =>
    Effect.gen(function*() {
      for (const script of scripts("a\n12\n45b\nc\n")) {
        for (const taken of [0, 1]) {
          const framed = Framed.make(fake(...script, done).connection, text)
          assert.strictEqual(yield* framed.receive, "a")
          // Begun in any case: a stream that was never run is nothing.
          const run = Stream.runForEachWhile(framed.rawStream(5), () => Effect.succeed(taken > 0))
          yield* run
          assert.strictEqual(yield* framed.receive, "b")
          assert.strictEqual(yield* framed.receive, "c")
        }
      }
    }))

  it.effect("fails with a bad message that was not reported yet, and has taken nothing", () =>
    Effect.gen(function*() {
      const framed = Framed.make(fake(["a\n\xff\nraw b\n"], done).connection, text)
      assert.deepStrictEqual(yield* framed.receiveAll, ["a"])
      const raw = framed.rawStream(4)
      assert.strictEqual(yield* outcome(collected(raw)), "!MessageError InvalidUtf8 @2")
      assert.strictEqual(yield* collected(raw), "raw ")
      assert.strictEqual(yield* framed.receive, "b")
    }))

  it.effect("FIN before the last of them is Truncated, also where they are dropped", () =>
    Effect.gen(function*() {
      const error = "FrameError Truncated 0 of 2 @3"
      const one = Framed.make(fake(["abc"], done).connection, text)
      assert.strictEqual(yield* outcome(Stream.runDrain(one.rawStream(5))), `!${error}`)
      const two = Framed.make(fake(["abc"], done).connection, text)
      yield* Stream.runDrain(Stream.take(two.rawStream(5), 1))
      assert.deepStrictEqual(yield* outcomes(two.receive, 2), [`!${error}`, `!${error}`])
    }))
})

describe("Framed.rest", () => {
  it.effect("everything that is left and comes, as it came", () =>
    Effect.gen(function*() {
      for (const script of scripts("CONNECT\n\x00\xff\nabc\n")) {
        const framed = Framed.make(fake(...script, done).connection, text)
        assert.strictEqual(yield* framed.receive, "CONNECT")
        assert.strictEqual(yield* collected(framed.rest), "\x00\xff\nabc\n")
        assert.deepStrictEqual(yield* outcomes(framed.receive, 2), ["!Done", "!Done"])
      }
    }))

  it.effect("fails as the connection does, after what had arrived", () =>
    Effect.gen(function*() {
      const broken: FramingError.FrameError["_tag"] = "FrameError"
      const framed = Framed.make(fake(["0123456789x\nrest"], done).connection, text)
      yield* outcome(framed.receive)
      assert.match(yield* Effect.map(outcome(Stream.runDrain(framed.rest)), String), new RegExp(broken))
    }))
})
