// Closing, aborting, and the scope.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { bytes, equal, fork, outcome, receive, settle, suspended, text, word } from "./check.ts"
import { type Body, named, type Setting } from "./connectionCases.ts"
import { pair } from "./pair.ts"

export const endingCases = ({ address, large, reset }: Setting): ReadonlyArray<Body> => {
  const patient = { linger: "1 hour" } as const
  const opened = pair(address, { dialled: patient, accepted: patient })
  const short = pair(address, { dialled: { linger: "50 millis", maxWriteBuffer: 1e9 }, accepted: patient })
  return named({
    "Connection 3: both FINs are Graceful, by the one who sent the first": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        const closing = yield* fork(dialled.close())
        yield* equal("the peer receives", yield* text(accepted), "[end]")
        yield* suspended("close", closing)
        yield* accepted.close()
        yield* equal("ours", word(yield* Fiber.join(closing)), "Graceful by self")
        yield* equal("the peer's", word(yield* accepted.closed), "Graceful by peer")
      }),

    "Connection 3: close joins, and everyone gets the one reason, however late": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        const closing = yield* Effect.forEach([dialled.close(), dialled.close({ linger: 0 }), dialled.closed], fork)
        yield* settle
        yield* accepted.close()
        const reasons = yield* Fiber.joinAll(closing)
        const late = [yield* dialled.closed, yield* dialled.close(), yield* dialled.abort]
        const state = yield* dialled.state
        const all = [...reasons, ...late, state._tag === "Closed" ? state.reason : undefined]
        yield* equal("the same", all.filter((reason) => reason === reasons[0]).length, 7)
        yield* equal("the reason", all[0] === undefined ? "none" : word(all[0]), "Graceful by self")
      }),

    "Connection: close sends what waits before FIN": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        const sending = yield* fork(dialled.send(new Uint8Array(large)))
        const closing = yield* fork(dialled.close())
        const all = yield* receive(accepted)
        yield* equal("received", [all.bytes.length, all.end], [large, "end"])
        yield* accepted.close()
        yield* Fiber.join(sending)
        yield* equal("ours", word(yield* Fiber.join(closing)), "Graceful by self")
      }),

    "Connection: close with bytes unread does not lose the reply": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        yield* dialled.send(bytes("a request that nobody reads"))
        yield* settle
        yield* accepted.send(bytes("reply"))
        const closing = yield* fork(accepted.close())
        yield* equal("received", yield* text(dialled), "reply[end]")
        yield* dialled.close()
        yield* equal("the closing end's", word(yield* Fiber.join(closing)), "Graceful by self")
      }),

    "Connection: a close of linger 0 does not wait, and what was sent arrives": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        yield* dialled.send(bytes("last words"))
        yield* equal("ours", word(yield* dialled.close({ linger: 0 })), "LingerExpired")
        yield* equal("received", yield* text(accepted), "last words[end]")
      }),

    "Connection: a send and a shutdownWrite after close fail with ConnectionClosed": () =>
      Effect.gen(function*() {
        const { dialled } = yield* opened
        yield* dialled.close({ linger: 0 })
        yield* equal("send", yield* outcome(dialled.send(bytes("x"))), "ConnectionClosed")
        yield* equal("sendAll", yield* outcome(dialled.sendAll([bytes("x"), bytes("y")])), "ConnectionClosed")
      }),

    "Connection: close ends a suspended receive with ConnectionClosed": () =>
      Effect.gen(function*() {
        const { dialled } = yield* opened
        const receiving = yield* fork(text(dialled))
        yield* settle
        yield* dialled.close({ linger: 0 })
        yield* equal("received", yield* Fiber.join(receiving), "[ConnectionClosed]")
        yield* equal("again", yield* text(dialled), "[ConnectionClosed]")
      }),

    "Connection 2: after close, what had arrived is still delivered": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        yield* accepted.send(bytes("one"))
        yield* equal("received", yield* text(dialled, 3), "one")
        yield* accepted.send(bytes("two"))
        yield* settle
        yield* dialled.close({ linger: 0 })
        yield* equal("received after it", yield* text(dialled), "two[ConnectionClosed]")
      }),

    [`Connection 2: abort is ${reset} at the peer, behind the bytes that had arrived`]: () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        yield* dialled.send(bytes("last words"))
        yield* settle
        yield* equal("ours", word(yield* dialled.abort), "Aborted")
        yield* equal("received", yield* text(accepted), `last words[${reset}]`)
        if (reset === "ConnectionReset") {
          yield* equal("the peer's", word(yield* accepted.closed), "Failed")
          yield* equal("the peer's send", yield* outcome(accepted.send(bytes("x"))), reset)
        }
        yield* equal("our receive", yield* text(dialled), "[ConnectionClosed]")
        yield* equal("our send", yield* outcome(dialled.send(bytes("x"))), "ConnectionClosed")
      }),

    [`Connection 2: abort is ${reset} at a peer who waits in receive`]: () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        const receiving = yield* fork(text(accepted))
        yield* settle
        yield* dialled.abort
        yield* equal("received", yield* Fiber.join(receiving), `[${reset}]`)
      }),

    "Connection 1: a send to a peer that is gone fails in the end, and does not hang": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        yield* dialled.close({ linger: 0 })
        const send = Effect.andThen(accepted.send(bytes("x")), Effect.sleep("1 millis"))
        const failure = yield* outcome(Effect.forever(send))
        yield* equal("the reason", failure === "BrokenPipe" ? "ConnectionReset" : failure, "ConnectionReset")
        yield* equal("the peer's", word(yield* accepted.closed), "Failed")
      }),

    "Connection 1: abort ends the sends that wait": () =>
      Effect.gen(function*() {
        const { dialled } = yield* short
        const sends = yield* Effect.forEach(
          [dialled.send(new Uint8Array(large)), dialled.sendAll([bytes("x"), bytes("y")])],
          (send) => fork(outcome(send))
        )
        yield* settle
        yield* dialled.abort
        yield* equal("the sends", yield* Fiber.joinAll(sends), ["ConnectionClosed", "ConnectionClosed"])
      }),

    "Connection 4: the scope closes gracefully": () =>
      Effect.gen(function*() {
        const { accepted, closeDialled, dialled } = yield* opened
        yield* dialled.send(bytes("all"))
        const closing = yield* fork(closeDialled)
        yield* equal("received", yield* text(accepted), "all[end]")
        yield* accepted.close()
        yield* Fiber.join(closing)
        yield* equal("ours", word(yield* dialled.closed), "Graceful by self")
      }),

    "Connection 4: the scope of a connection whose peer never closes ends with its linger": () =>
      Effect.gen(function*() {
        const { accepted, closeDialled, dialled } = yield* short
        yield* Effect.timeout(closeDialled, "2 seconds")
        yield* equal("ours", word(yield* dialled.closed), "LingerExpired")
        yield* equal("received", yield* text(accepted), "[end]")
      }),

    "Connection 4: the scope of a connection whose peer never reads ends with its linger": () =>
      Effect.gen(function*() {
        const { accepted, closeDialled, dialled } = yield* short
        const sending = yield* fork(outcome(dialled.send(new Uint8Array(large))))
        yield* settle
        yield* Effect.timeout(closeDialled, "2 seconds")
        yield* equal("ours", word(yield* dialled.closed), "LingerExpired")
        yield* equal("the send", yield* Fiber.join(sending), "ConnectionClosed")
        // The peer must not take a part for the whole, where the transport can tell.
        yield* equal("received at the end", (yield* receive(accepted)).end, reset)
      })
  })
}
