// Listening, accepting and connecting.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Address from "../../Address.ts"
import type { Connection } from "../../Connection.ts"
import type { Listener } from "../../Listener.ts"
import * as Transport from "../../Transport.ts"
import { bytes, equal, fork, outcome, settle, suspended, text } from "./check.ts"
import { type Body, named, type Setting } from "./connectionCases.ts"
import { pair } from "./pair.ts"

export const listenerCases = ({ address, reset }: Setting): ReadonlyArray<Body> => {
  const listening = Effect.gen(function*() {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const listener = yield* Scope.provide(Transport.listen(address), scope)
    return { listener, close: Scope.close(scope, Exit.void) }
  })
  const connected = (to: Address.Address, options: Transport.ConnectOptions = {}) =>
    Effect.tap(
      Transport.connect(to, options),
      (connection) => Effect.addFinalizer(() => connection.close({ linger: 0 }))
    )
  const admitted = (listener: Listener) =>
    Effect.tap(listener.accept, (connection) => Effect.addFinalizer(() => connection.close({ linger: 0 })))
  /** Each says who it is. */
  const said = (connection: Connection, what: string) => connection.send(bytes(what))

  return named({
    "Listener 1: the address says which port is bound": () =>
      Effect.gen(function*() {
        const { listener } = yield* listening
        yield* equal(
          "the address",
          Address.isUnix(address) ? Address.format(listener.address) : Reflect.get(listener.address, "port") > 0,
          Address.isUnix(address) ? Address.format(address) : true
        )
      }),

    "Listener 1: a bound address is AddressInUse, and free again when the scope has closed": () =>
      Effect.gen(function*() {
        const { close, listener } = yield* listening
        const again = Effect.scoped(Transport.listen(listener.address))
        yield* equal("while it listens", yield* outcome(again), "AddressInUse")
        yield* connected(listener.address)
        yield* admitted(listener)
        yield* close
        yield* equal("after", yield* outcome(again), "success")
      }),

    "Listener: accept suspends until there is one, and an interrupted one loses nobody": () =>
      Effect.gen(function*() {
        const { listener } = yield* listening
        const accepting = yield* fork(Effect.scoped(listener.accept))
        yield* suspended("accept", accepting)
        yield* Fiber.interrupt(accepting)
        yield* said(yield* connected(listener.address), "here")
        yield* equal("received", yield* text(yield* admitted(listener), 4), "here")
      }),

    "Listener: accept gives them in the order in which they came": () =>
      Effect.gen(function*() {
        const { listener } = yield* listening
        for (const each of "abcdefghij") yield* said(yield* connected(listener.address), each)
        let got = ""
        for (let i = 0; i < 10; i++) {
          got += yield* text(yield* admitted(listener), 1)
        }
        yield* equal("the order", got, "abcdefghij")
      }),

    "Listener 2: a connection outlives the listener, and ends with the scope that accepted it": () =>
      Effect.gen(function*() {
        const { accepted, closeListener, dialled } = yield* pair(address)
        yield* closeListener
        yield* dialled.send(bytes("still"))
        yield* equal("received", yield* text(accepted, 5), "still")
        yield* accepted.send(bytes("here"))
        yield* equal("received back", yield* text(dialled, 4), "here")
      }),

    [`Listener 3: who was not accepted is reset when the scope closes (${reset})`]: () =>
      Effect.gen(function*() {
        const { close, listener } = yield* listening
        const dialled = yield* connected(listener.address)
        yield* settle
        yield* close
        yield* equal("received", yield* text(dialled), `[${reset}]`)
      }),

    "Listener: the scope ends an accept that waits": () =>
      Effect.gen(function*() {
        const { close, listener } = yield* listening
        const accepting = yield* fork(outcome(Effect.scoped(listener.accept)))
        yield* settle
        yield* close
        yield* equal("accept", yield* Fiber.join(accepting), "end")
      }),

    "Listener: drain hands out who had come, then accept is at its end and the address free": () =>
      Effect.gen(function*() {
        const { listener } = yield* listening
        for (const each of "abc") yield* said(yield* connected(listener.address), each)
        yield* listener.drain
        yield* equal("connect", yield* outcome(Effect.scoped(Transport.connect(listener.address))), "ConnectionRefused")
        let got = ""
        for (let i = 0; i < 3; i++) {
          got += yield* text(yield* admitted(listener), 1)
        }
        yield* equal("the order", got, "abc")
        yield* equal("accept", yield* outcome(Effect.scoped(listener.accept)), "end")
        yield* listener.drain
        yield* equal("listen", yield* outcome(Effect.scoped(Transport.listen(listener.address))), "success")
      }),

    "Listener: drain is told to the connections that it accepted, before and after": () =>
      Effect.gen(function*() {
        const { listener } = yield* listening
        const dialled = yield* connected(listener.address)
        const before = yield* admitted(listener)
        yield* connected(listener.address)
        const draining = yield* fork(before.draining)
        yield* suspended("draining", draining)
        yield* listener.drain
        yield* Fiber.join(draining)
        yield* (yield* admitted(listener)).draining
        yield* suspended("draining of a dialled one", yield* fork(dialled.draining))
      }),

    "Listener 5: suspend refuses who comes, hands out who had come, and resume listens at the same address": () =>
      Effect.gen(function*() {
        const { listener } = yield* listening
        yield* said(yield* connected(listener.address), "a")
        yield* listener.suspend
        yield* listener.suspend
        const connecting = outcome(Effect.scoped(Transport.connect(listener.address)))
        yield* equal("connect while suspended", yield* connecting, "ConnectionRefused")
        yield* equal("who had come", yield* text(yield* admitted(listener), 1), "a")
        yield* listener.resume
        yield* listener.resume
        yield* said(yield* connected(listener.address), "b")
        yield* equal("who comes after", yield* text(yield* admitted(listener), 1), "b")
      }),

    "Listener 4: more than the backlog are reset, told of and counted": () =>
      Effect.gen(function*() {
        const shed: Array<string> = []
        const listener = yield* Transport.listen(address, { backlog: 2, onShed: ({ reason }) => shed.push(reason) })
        yield* connected(listener.address)
        yield* connected(listener.address)
        yield* settle
        // RST can come before its connect is over.
        const third = Effect.scoped(Effect.flatMap(connected(listener.address), (connection) => text(connection)))
        const end = yield* outcome(Effect.flatMap(third, (what) => equal("third", what, `[${reset}]`)))
        yield* equal("the third", end === "ConnectionReset" ? "success" : end, "success")
        yield* equal("told of", shed, ["backlog"])
        yield* equal("counted", yield* listener.counters, { accepted: 2, shed: 1 })
      }),

    "Transport: connect to nobody is ConnectionRefused": () =>
      Effect.gen(function*() {
        const { close, listener } = yield* listening
        yield* close
        yield* equal("connect", yield* outcome(Effect.scoped(Transport.connect(listener.address))), "ConnectionRefused")
      }),

    "Transport: localAddress is our end, and the peer sees it": () =>
      Effect.gen(function*() {
        const { close, listener: free } = yield* listening
        yield* close
        if (Address.isUnix(free.address)) return
        const { listener } = yield* listening
        const dialled = yield* connected(listener.address, { localAddress: free.address })
        yield* equal("our end", dialled.local, free.address)
        yield* equal("the peer's", (yield* admitted(listener)).remote, free.address)
      }),

    "Transport: a localAddress where somebody listens is AddressInUse, one that cannot be InvalidAddress": () =>
      Effect.gen(function*() {
        const { listener } = yield* listening
        const from = (localAddress: Address.TcpAddress) =>
          outcome(Effect.scoped(connected(listener.address, { localAddress })))
        if (Address.isUnix(listener.address)) return
        yield* equal("taken", yield* from(listener.address), "AddressInUse")
        yield* equal("a name", yield* from({ host: "localhost", port: 0 }), "InvalidAddress")
        yield* equal("a port", yield* from({ ...listener.address, port: 65_536 }), "InvalidAddress")
        const other = listener.address.host.includes(":") ? "127.0.0.1" : "::1"
        yield* equal("the other family", yield* from({ host: other, port: 0 }), "InvalidAddress")
      }),

    "Transport: an address that cannot be is InvalidAddress, for listen and connect": () =>
      Effect.gen(function*() {
        const impossible = Address.isUnix(address) ? { path: "" } : { host: address.host, port: 65_536 }
        yield* equal("listen", yield* outcome(Effect.scoped(Transport.listen(impossible))), "InvalidAddress")
        yield* equal("connect", yield* outcome(Effect.scoped(Transport.connect(impossible))), "InvalidAddress")
      })
  })
}
