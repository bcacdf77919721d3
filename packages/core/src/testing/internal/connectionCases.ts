// Receiving, sending and half-close.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Address } from "../../Address.ts"
import type { Connection } from "../../Connection.ts"
import type { LifecycleEvent } from "../../Lifecycle.ts"
import { Transport } from "../../Transport.ts"
import { bytes, difference, equal, fork, outcome, pattern, receive, settle, suspended, text } from "./check.ts"
import { pair } from "./pair.ts"

export interface Setting {
  readonly address: Address
  readonly large: number
  /** What an aborted connection's peer receives. */
  readonly reset: string
}

export interface Body {
  readonly name: string
  readonly body: Effect.Effect<void, unknown, Transport | Scope.Scope>
}

/** A case is a body by its name. */
export const named = (cases: Record<string, () => Body["body"]>): ReadonlyArray<Body> =>
  Object.entries(cases).map(([name, body]) => ({ name, body: Effect.suspend(body) }))

export const connectionCases = ({ address, large }: Setting): ReadonlyArray<Body> => {
  const opened = pair(address)
  return named({
    "Connection: both ends have each other's addresses, their own ids, and are Open": () =>
      Effect.gen(function*() {
        const { accepted, dialled, listener } = yield* opened
        yield* equal("the peer's local", accepted.local, dialled.remote)
        yield* equal("the peer's remote", accepted.remote, dialled.local)
        yield* equal("the listener's address", accepted.local, listener.address)
        yield* equal("the ids are", accepted.id === dialled.id ? "equal" : "distinct", "distinct")
        yield* equal("the states", [(yield* accepted.state)._tag, (yield* dialled.state)._tag], ["Open", "Open"])
      }),

    "Connection: an echo comes back whole": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        yield* dialled.send(bytes("hello"))
        yield* accepted.sendAll([(yield* receive(accepted, 5)).bytes])
        yield* equal("the echo", yield* text(dialled, 5), "hello")
      }),

    "Connection: the fast forms: an echo comes back whole, and the peer's FIN ends it": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        const echoing = yield* fork(accepted.lendEach(accepted.sendAllUnsafe))
        for (const each of ["a", "bc", "def"]) {
          yield* dialled.sendAllUnsafe([bytes(each)])
          yield* equal("the echo", yield* text(dialled, each.length), each)
        }
        yield* dialled.shutdownWrite
        yield* Fiber.join(echoing)
      }),

    "Connection: what is borrowed goes back as it came, to a peer that is slow to read": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        const echoing = yield* fork(accepted.lendEach(accepted.sendAllUnsafe))
        const sending = yield* fork(dialled.send(pattern(large)))
        yield* settle
        const back = yield* receive(dialled, large)
        yield* equal("the echo", difference(back.bytes, pattern(large)), "")
        yield* Fiber.join(sending)
        yield* dialled.shutdownWrite
        yield* Fiber.join(echoing)
      }),

    "Connection: traffic counts the bytes of both directions": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        yield* dialled.sendAll(["hello", "", "!"].map(bytes))
        yield* receive(accepted, 6)
        yield* accepted.send(bytes("bye"))
        yield* receive(dialled, 3)
        yield* equal("of the dialled end", yield* dialled.traffic, { received: 3, sent: 6, waiting: 0 })
        yield* equal("of the accepted end", yield* accepted.traffic, { received: 6, sent: 3, waiting: 0 })
        yield* Effect.all([dialled.close(), accepted.close()], { concurrency: "unbounded" })
        yield* equal("after the end", yield* dialled.traffic, { received: 3, sent: 6, waiting: 0 })
      }),

    "Connection: traffic says what waits for a peer that does not read": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        const sending = yield* fork(dialled.send(pattern(large)))
        yield* settle
        const { sent, waiting } = yield* dialled.traffic
        yield* equal("some waits", waiting > 0, true)
        yield* equal("all of it", sent + waiting, large)
        yield* receive(accepted, large)
        yield* Fiber.join(sending)
        yield* equal("then", yield* dialled.traffic, { received: 0, sent: large, waiting: 0 })
        const again = yield* fork(Effect.exit(dialled.send(pattern(large))))
        yield* settle
        yield* dialled.abort
        yield* Fiber.join(again)
        yield* equal("after a reset", (yield* dialled.traffic).waiting, 0)
      }),

    "Connection: its life is told, state by state": () =>
      Effect.gen(function*() {
        const { events } = yield* Transport
        const seen: Array<LifecycleEvent> = []
        const watching = yield* fork(Stream.runForEach(events, (event) => Effect.sync(() => void seen.push(event))))
        yield* settle
        const { accepted, dialled } = yield* opened
        yield* fork(dialled.close())
        yield* outcome(accepted.receive)
        yield* accepted.close()
        yield* dialled.closed
        yield* settle
        yield* Fiber.interrupt(watching)
        const states = (connection: Connection) => {
          const its = seen.filter(({ id }) => id === connection.id)
          const chained = its.every(({ from }, index) => index === 0 || from === its[index - 1]?.to)
          return { states: its.map(({ to }) => to._tag), chained, side: its[0]?.side, remote: its.at(-1)?.remote }
        }
        const ends = [states(dialled), states(accepted)]
        yield* equal("sides", ends.map(({ side }) => side), ["dialled", "accepted"])
        yield* equal("remotes", ends.map(({ remote }) => remote), [dialled.remote, accepted.remote])
        yield* equal("each from the one before", ends.map(({ chained }) => chained), [true, true])
        yield* equal("first and last", ends.map(({ states }) => [states.includes("Open"), states.at(-1)]), [
          [true, "Closed"],
          [true, "Closed"]
        ])
        yield* equal("the peer's FIN", ends[1]?.states.includes("ReadClosed"), true)
        yield* equal(
          "in sequence",
          seen.every(({ sequence }, i) => i === 0 || sequence === seen[i - 1]!.sequence + 1),
          true
        )
      }),

    "Connection: an echo of chunks, some of them empty, comes back in order": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        yield* dialled.sendAll(["a", "", "bc", "", "def"].map(bytes))
        for (const each of "ghij") yield* dialled.send(bytes(each))
        yield* accepted.send((yield* receive(accepted, 10)).bytes)
        yield* equal("the echo", yield* text(dialled, 10), "abcdefghij")
      }),

    "Connection: nothing to send succeeds, and nothing arrives": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        yield* dialled.sendAll([])
        yield* dialled.send(new Uint8Array(0))
        const waiting = yield* fork(text(accepted, 1))
        yield* suspended("receive", waiting)
        yield* dialled.send(bytes("x"))
        yield* equal("received", yield* Fiber.join(waiting), "x")
      }),

    "Connection: everything arrives in order, both ways at once, through small buffers": () =>
      Effect.gen(function*() {
        const small = { readBuffer: 5000 }
        const { accepted, dialled } = yield* pair(address, { dialled: small, accepted: small })
        const size = 300_000
        const sending = (connection: typeof dialled) =>
          Effect.gen(function*() {
            for (let at = 0, i = 0; at < size; i++) {
              const part = pattern(Math.min(size - at, 1 + (i * 7919) % 50_000), at)
              at += part.length
              yield* connection.send(part)
            }
            yield* connection.shutdownWrite
          })
        const [, , one, two] = yield* Effect.all(
          [sending(dialled), sending(accepted), receive(dialled), receive(accepted)],
          { concurrency: "unbounded" }
        )
        yield* equal("the dialled end", [difference(one.bytes, pattern(size)), one.end], ["", "end"])
        yield* equal("the accepted end", [difference(two.bytes, pattern(size)), two.end], ["", "end"])
      }),

    "Connection: sends of several fibers go in the order in which they began, each as a whole": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* pair(address, { dialled: { maxWriteBuffer: 1e9 } })
        const sends = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, index) => pattern(10_000, index * 10_000)),
          (part) => fork(dialled.sendAll([part.subarray(0, 1), part.subarray(1)]))
        )
        yield* equal("received", difference((yield* receive(accepted, 200_000)).bytes, pattern(200_000)), "")
        yield* Fiber.joinAll(sends)
      }),

    "Connection: what was sent may be changed after it, what was received belongs to the receiver": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        const sent = bytes("as it was")
        yield* dialled.send(sent)
        sent.fill(0)
        const got = yield* receive(accepted, 9)
        yield* equal("received", difference(got.bytes, bytes("as it was")), "")
        // Chunks that share memory with what comes next would show it now.
        const [chunk] = yield* Effect.andThen(dialled.send(bytes("one")), accepted.receive)
        const before = chunk.slice()
        yield* dialled.send(bytes("two"))
        yield* accepted.receive
        yield* equal("received before", difference(chunk, before), "")
      }),

    "Connection 1: an interrupted receive loses nothing": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        for (let i = 0; i < 10; i++) {
          const receiving = yield* fork(accepted.receive)
          yield* Fiber.interrupt(receiving)
          yield* dialled.send(bytes(`${i}`))
          yield* equal("received", yield* text(accepted, 1), `${i}`)
        }
      }),

    "Connection 1: receives that time out while bytes come deliver each once": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        const sent = Array.from({ length: 50 }, (_, index) => `${index} `).join("")
        yield* fork(Effect.andThen(
          Effect.forEach(sent, (each) => Effect.andThen(dialled.send(bytes(each)), Effect.sleep("1 millis"))),
          dialled.shutdownWrite
        ))
        let got = ""
        while (!got.endsWith("[end]")) {
          yield* Effect.ignore(Effect.timeout(
            Effect.matchEffect(accepted.receive, {
              onSuccess: (chunks) => Effect.sync(() => chunks.forEach((chunk) => got += String.fromCharCode(...chunk))),
              onFailure: () => Effect.sync(() => got += "[end]")
            }),
            "1 millis"
          ))
        }
        yield* equal("received", got, `${sent}[end]`)
      }),

    "Connection: a second receive is a defect, and does not disturb the first": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        const first = yield* fork(text(accepted, 1))
        yield* equal("the second", yield* outcome(accepted.receive), "defect")
        yield* dialled.send(bytes("x"))
        yield* equal("the first", yield* Fiber.join(first), "x")
      }),

    "Connection 6: a reader that stops stops the writer, and one that goes on gets everything": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        const sending = yield* fork(dialled.send(new Uint8Array(large)))
        yield* suspended("send", sending)
        yield* equal("received", (yield* receive(accepted, large)).bytes.length, large)
        yield* Fiber.join(sending)
      }),

    "Connection: a send over maxWriteBuffer fails and sends nothing": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* pair(address, { dialled: { maxWriteBuffer: 1000 } })
        const sending = yield* fork(dialled.send(new Uint8Array(large)))
        yield* suspended("send", sending)
        yield* equal("the next send", yield* outcome(dialled.send(bytes("x"))), "WriteBufferExceeded")
        const receiving = yield* fork(receive(accepted))
        yield* Fiber.join(sending)
        yield* dialled.send(bytes("y"))
        yield* dialled.shutdownWrite
        yield* equal("received", (yield* Fiber.join(receiving)).bytes.length, large + 1)
      }),

    "Connection 1: interrupting a send stops the waiting, not the sending": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        const sending = yield* fork(dialled.send(new Uint8Array(large)))
        yield* settle
        yield* Fiber.interrupt(sending)
        const receiving = yield* fork(receive(accepted))
        yield* equal("all", yield* outcome(dialled.shutdownWrite), "success")
        yield* equal("received", (yield* Fiber.join(receiving)).bytes.length, large)
      }),

    ...Object.fromEntries((["dialled", "accepted"] as const).map((side) => [
      `Connection 5: half-close of the ${side} end: the late reply arrives`,
      () =>
        Effect.gen(function*() {
          const both = yield* opened
          const self = both[side]
          const peer = both[side === "dialled" ? "accepted" : "dialled"]
          yield* self.send(bytes("request"))
          yield* self.shutdownWrite
          yield* self.shutdownWrite
          yield* equal("our state", (yield* self.state)._tag, "WriteClosed")
          yield* equal("the peer receives", yield* text(peer), "request[end]")
          yield* equal("the end stays", yield* text(peer), "[end]")
          yield* equal("the peer's state", (yield* peer.state)._tag, "ReadClosed")
          yield* settle
          yield* peer.send(bytes("late reply"))
          yield* equal("we receive", yield* text(self, 10), "late reply")
          yield* peer.shutdownWrite
          yield* equal("then", yield* text(self), "[end]")
        })
    ])),

    "Connection: shutdownRead delivers what had arrived, then it is the end, and sending goes on": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        yield* dialled.send(bytes("one"))
        yield* equal("received", yield* text(accepted, 3), "one")
        yield* dialled.send(bytes("two"))
        yield* settle
        yield* accepted.shutdownRead
        yield* dialled.send(bytes("unheard"))
        yield* equal("received after it", yield* text(accepted), "two[end]")
        yield* accepted.send(bytes("reply"))
        yield* equal("received back", yield* text(dialled, 5), "reply")
      }),

    "Connection: shutdownRead before the first receive delivers what had arrived, too": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        yield* dialled.send(bytes("heard"))
        yield* settle
        yield* accepted.shutdownRead
        yield* equal("received", yield* text(accepted), "heard[end]")
      }),

    "Connection: a send after shutdownWrite fails with WriteSideClosed": () =>
      Effect.gen(function*() {
        const { dialled } = yield* opened
        yield* dialled.shutdownWrite
        yield* equal("send", yield* outcome(dialled.send(bytes("x"))), "WriteSideClosed")
      }),

    "Connection: shutdownWrite sends FIN behind what waits": () =>
      Effect.gen(function*() {
        const { accepted, dialled } = yield* opened
        const sending = yield* fork(dialled.send(new Uint8Array(large)))
        const shutting = yield* fork(dialled.shutdownWrite)
        yield* suspended("shutdownWrite", shutting)
        const all = yield* receive(accepted)
        yield* equal("received", [all.bytes.length, all.end], [large, "end"])
        yield* Fiber.join(sending)
        yield* Fiber.join(shutting)
      })
  })
}
