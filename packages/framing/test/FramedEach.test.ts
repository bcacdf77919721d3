// The fast forms of Framed, on a network in memory that overwrites what was lent.
import { assert, describe, it } from "@effect/vitest"
import { type Connection, Transport } from "@framewire/core"
import { MemoryTransport } from "@framewire/core/testing"
import { Codec, Framed, FramingError, LengthPrefixed, Lines } from "@framewire/framing"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Turns from "../../../tests/support/Turns.ts"
import { outcome } from "./scripted.ts"
import { bytes, cuttings, join, show } from "./support.ts"

const text = Codec.text(Lines.make({ limit: 10 }))
const u8 = LengthPrefixed.u8()

interface Ends {
  readonly peer: Connection.Connection
  readonly ours: Connection.Connection
}

/** Two ends in memory, in real time unless it is the test's. */
const between = <A, E>(body: (ends: Ends) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.gen(function*() {
    const listener = yield* Transport.listen({ host: "127.0.0.1", port: 0 }, { linger: 0 })
    const peer = yield* Transport.connect(listener.address, { linger: 0 })
    return yield* body({ peer, ours: yield* listener.accept })
  }).pipe(Effect.scoped, Effect.provide(MemoryTransport.layer()))

const forms = ["receiveEach", "lendEach"] as const
const settled = Effect.replicateEffect(Effect.yieldNow, 20, { discard: true })

describe.each(forms)("Framed.%s", (form) => {
  it.live("gives all messages, however they were cut, and ends with the peer's FIN", () =>
    Effect.gen(function*() {
      const stream = bytes("\x05hello\0\x02hi\x03abc")
      for (const chunks of cuttings(stream)) {
        const got: Array<string> = []
        yield* between(({ ours, peer }) =>
          Effect.gen(function*() {
            const receiving = yield* Effect.forkChild(
              Framed.make(ours, u8)[form]((messages) => {
                got.push(...messages.map(show))
                return Effect.void
              })
            )
            for (const chunk of chunks) {
              yield* peer.send(chunk)
              yield* settled
            }
            yield* peer.shutdownWrite
            yield* Fiber.join(receiving)
          })
        )
        assert.deepStrictEqual(got, ["hello", "", "hi", "abc"])
      }
    }))

  // What one read brings is as much as its peer likes.
  const many = (count: number) =>
    Uint8Array.from({ length: 2 * count }, (_, at) => at % 2 === 0 ? 1 : 65 + (at - 1) / 2 % 26)
  const letters = (count: number) => Array.from({ length: count }, (_, at) => String.fromCharCode(65 + at % 26))

  it.live("of very many that came together it lets others go on after each 512", () =>
    between(({ ours, peer }) =>
      Effect.gen(function*() {
        const turn = yield* Turns.turns
        const got: Array<string> = []
        const batches: Array<readonly [size: number, turn: number]> = []
        yield* peer.send(many(2500))
        yield* peer.shutdownWrite
        yield* Framed.make(ours, u8)[form]((messages) => {
          batches.push([messages.length, turn()])
          got.push(...messages.map(show))
          return Effect.void
        })
        assert.deepStrictEqual(batches.map(([size]) => size), [512, 512, 512, 512, 452])
        assert.strictEqual(new Set(batches.map(([, turn]) => turn)).size, 5)
        assert.deepStrictEqual(got, letters(2500))
      })
    ))

  it.live("interrupted between two of these, it has taken nothing of the next", () =>
    between(({ ours, peer }) =>
      Effect.gen(function*() {
        const framed = Framed.make(ours, u8)
        yield* peer.send(many(2000))
        const begun = Latch.makeUnsafe()
        let got = 0
        const receiving = yield* Effect.forkChild(framed[form]((messages) => {
          got += messages.length
          begun.openUnsafe()
          return Effect.void
        }))
        yield* begun.await
        yield* Fiber.interrupt(receiving)
        const rest = got < 2000 ? yield* framed.receiveAll : []
        assert.deepStrictEqual(rest.map(show), letters(2000).slice(got))
      })
    ))

  it.live("a bad message that is the 1,025th, and a part of one behind it, are found", () =>
    between(({ ours, peer }) =>
      Effect.gen(function*() {
        const lines = Codec.text(Lines.make({ limit: 10 }))
        const framed = Framed.make(ours, lines)
        yield* peer.send(bytes(`${"ok\n".repeat(1024)}\xff\nlast\npa`))
        yield* peer.shutdownWrite
        const got: Array<string> = []
        const each = framed[form]((messages) => {
          got.push(...messages)
          return Effect.void
        })
        const bad = yield* Effect.flip(each)
        assert.instanceOf(bad, FramingError.MessageError)
        assert.lengthOf(got, 1024)
        yield* each
        assert.deepStrictEqual(got.slice(1024), ["last", "pa"])
      })
    ))

  it.live("messages are the handler's for as long as it wants: of receiveEach", () =>
    between(({ ours, peer }) =>
      Effect.gen(function*() {
        const got: Array<Uint8Array> = []
        const receiving = yield* Effect.forkChild(
          Framed.make(ours, u8)[form]((messages) => {
            got.push(...messages)
            return Effect.void
          })
        )
        yield* peer.send(bytes("\x05hello\x05wor"))
        yield* settled
        yield* peer.send(bytes("ld\x02hi"))
        yield* peer.shutdownWrite
        yield* Fiber.join(receiving)
        const kept = got.map(show)
        assert.strictEqual(kept[0], form === "receiveEach" ? "hello" : "\xdd".repeat(5))
        if (form === "receiveEach") assert.deepStrictEqual(kept, ["hello", "world", "hi"])
      })
    ))

  it.live("first what waits already, then a handler that takes its time, each batch after the other", () =>
    between(({ ours, peer }) =>
      Effect.gen(function*() {
        const framed = Framed.make(ours, text)
        yield* peer.send(bytes("a\nb\nc"))
        assert.strictEqual(yield* framed.receive, "a")
        const steps: Array<string> = []
        const receiving = yield* Effect.forkChild(framed[form]((messages) => {
          steps.push(`${messages.join()} begins`)
          return Effect.andThen(settled, Effect.sync(() => void steps.push(`${messages.join()} ends`)))
        }))
        for (const line of ["\n", "d\n", "e\n"]) yield* peer.send(bytes(line))
        yield* peer.shutdownWrite
        yield* Fiber.join(receiving)
        const names = steps.filter((_, index) => index % 2 === 0).map((step) => step.replace(" begins", ""))
        assert.deepStrictEqual(steps, names.flatMap((name) => [`${name} begins`, `${name} ends`]))
        assert.strictEqual(names.join(), "b,c,d,e")
      })
    ))

  it.live("messages before a bad one, its error, and those after it when called again", () =>
    between(({ ours, peer }) =>
      Effect.gen(function*() {
        const framed = Framed.make(ours, text)
        yield* peer.send(bytes("a\n\xff\nb\n\xfe\nc\n"))
        yield* peer.shutdownWrite
        const got: Array<string> = []
        for (;;) {
          const end = yield* outcome(framed[form]((messages) => {
            got.push(...messages)
            return Effect.void
          }))
          if (typeof end !== "string") break
          got.push(end)
        }
        assert.deepStrictEqual(got, [
          "a",
          "!MessageError InvalidUtf8 @2",
          "b",
          "!MessageError InvalidUtf8 @6",
          "c"
        ])
      })
    ))

  it.live("a bad frame, and a stream that is cut, end it for ever", () =>
    Effect.gen(function*() {
      const u8text = Codec.text(LengthPrefixed.u8())
      for (
        const [codec, stream, expected] of [
          [text, "a\n01234567890\n", "FrameTooLong"],
          [u8text, "\x01a\x02b", "Truncated"]
        ] as const
      ) {
        yield* between(({ ours, peer }) =>
          Effect.gen(function*() {
            const framed = Framed.make(ours, codec)
            yield* peer.send(bytes(stream))
            yield* peer.shutdownWrite
            let got = ""
            for (let i = 0; i < 2; i++) {
              const error = yield* Effect.flip(framed[form]((messages) => {
                got += messages.join()
                return Effect.void
              }))
              assert(error instanceof FramingError.FrameError)
              assert.strictEqual(error.reason._tag, expected)
            }
            assert.strictEqual(got, "a")
          })
        )
      }
    }))

  it.live("ends with the handler's failure, or its defect; what came after it is still there", () =>
    between(({ ours, peer }) =>
      Effect.gen(function*() {
        const framed = Framed.make(ours, text)
        yield* peer.send(bytes("a\nb"))
        assert.strictEqual(yield* Effect.flip(framed[form](() => Effect.fail("no"))), "no")
        yield* peer.send(bytes("b\nc"))
        const died = yield* Effect.exit(framed[form](() => {
          throw new Error("bad")
        }))
        assert.isTrue(Exit.isFailure(died) && Cause.hasDies(died.cause))
        yield* peer.send(bytes("c\n"))
        assert.strictEqual(yield* framed.receive, "cc")
      })
    ))

  it.live("raw bytes that nobody took go by, and one that switched is over", () =>
    between(({ ours, peer }) =>
      Effect.gen(function*() {
        const framed = Framed.make(ours, text)
        yield* peer.send(bytes("xx"))
        yield* Stream.runDrain(Stream.take(framed.rawStream(4), 1))
        yield* peer.send(bytes("yya\n"))
        let got = ""
        const receiving = yield* Effect.forkChild(framed[form]((messages) => {
          got += messages.join()
          return Effect.fail("enough")
        }))
        yield* Fiber.await(receiving)
        assert.strictEqual(got, "a")
        yield* framed.switchTo(u8)
        assert.isTrue(Cause.hasDies(yield* Effect.flip(Effect.sandbox(framed[form](() => Effect.void)))))
      })
    ))

  it.effect("a frame has its time, in which the handler's is not counted", () =>
    between(({ ours, peer }) =>
      Effect.gen(function*() {
        const after = (millis: number) => Effect.andThen(TestClock.adjust(millis), settled)
        const framed = Framed.make(ours, text, { frameTimeout: 1000 })
        let busy = Effect.void
        const receiving = yield* Effect.forkChild(Effect.flip(framed[form](() => busy)))
        for (let i = 0; i < 3; i++) {
          yield* peer.send(bytes("a"))
          yield* after(999)
          yield* peer.send(bytes("\n"))
          yield* after(5000)
        }
        busy = Effect.sleep(5000)
        yield* peer.send(bytes("a\nb"))
        yield* after(5999)
        assert.isUndefined(receiving.pollUnsafe())
        yield* after(1)
        const error = yield* Fiber.join(receiving)
        assert(error instanceof FramingError.FrameError)
        assert.strictEqual(error.reason._tag, "FrameTimeout")
      })
    ))
})

describe("Framed.sendAllUnsafe", () => {
  it.live("sends when it is called, and nothing of what is refused; its bytes stay what they were", () =>
    between(({ ours, peer }) =>
      Effect.gen(function*() {
        const framed = Framed.make(ours, text)
        for (const line of ["one", "two", "three"]) void framed.sendAllUnsafe([line, line])
        const refused = yield* Effect.flip(framed.sendAllUnsafe(["good", "b\nd"]))
        assert(refused instanceof FramingError.MessageError)
        void framed.sendAllUnsafe(["end"])
        yield* ours.shutdownWrite
        const got: Array<Uint8Array> = []
        yield* peer.receiveEach((chunks) => {
          got.push(...chunks)
          return Effect.void
        })
        assert.strictEqual(show(join(got)), "one\none\ntwo\ntwo\nthree\nthree\nend\n")
      })
    ))
})
