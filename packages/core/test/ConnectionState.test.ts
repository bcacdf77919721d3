import { assert, describe, it } from "@effect/vitest"
import { ConnectionState, TransportError, TransportReason } from "@framewire/core"
import * as Schema from "effect/Schema"

type Event = ConnectionState.ConnectionEvent
type Name = Event["_tag"]

const address = { host: "127.0.0.1", port: 1 }
const error = new TransportError.ReceiveError({
  reason: new TransportReason.ConnectionReset({ code: "ECONNRESET" }),
  local: address,
  remote: address
})
const names = [
  "Resolved",
  "Connected",
  "HandshakeStarted",
  "Secured",
  "PeerFin",
  "SelfFin",
  "Close",
  "Abort",
  "LingerExpired",
  "Failed",
  "Released"
] as const
const event = (name: Name): Event => name === "Failed" ? { _tag: name, error } : { _tag: name }
const run = (from: ConnectionState.ConnectionState, events: ReadonlyArray<Name>) =>
  events.map(event).reduce(ConnectionState.transition, from)
const { connecting, open, resolving } = ConnectionState

/** A state in one line: its tag, the FINs that went, and why it ends. */
const show = (state: ConnectionState.ConnectionState): string => {
  switch (state._tag) {
    case "Closing":
      return ["Closing", state.peerFin && "peerFin", state.selfFin && "selfFin", why(state.reason)]
        .filter(Boolean)
        .join(" ")
    case "Closed":
      return `Closed ${why(state.reason)}`
    default:
      return state._tag
  }
}
const why = (reason: ConnectionState.CloseReason | undefined): string =>
  reason === undefined ? "" : reason._tag === "Graceful" ? `Graceful(${reason.initiator})` : reason._tag

describe("transition", () => {
  const table: ReadonlyArray<[from: ReadonlyArray<Name>, event: Name, to: string]> = [
    [[], "Resolved", "Open"],
    [[], "Connected", "Open"],
    [[], "Secured", "Open"],
    [[], "HandshakeStarted", "Handshaking"],
    [["HandshakeStarted"], "Secured", "Open"],
    [["HandshakeStarted"], "HandshakeStarted", "Handshaking"],
    // What the platform says of the socket below means nothing yet.
    [["HandshakeStarted"], "PeerFin", "Handshaking"],
    [["HandshakeStarted"], "SelfFin", "Handshaking"],
    [["HandshakeStarted"], "Close", "Closing Aborted"],
    [["HandshakeStarted"], "Abort", "Closing Aborted"],
    [["HandshakeStarted"], "Failed", "Closing Failed"],
    [["HandshakeStarted"], "Released", "Closed Aborted"],
    // A half-closed connection has nothing to agree on.
    [["PeerFin"], "HandshakeStarted", "ReadClosed"],
    [["SelfFin"], "HandshakeStarted", "WriteClosed"],
    [["Close"], "HandshakeStarted", "Closing"],
    [[], "PeerFin", "ReadClosed"],
    [[], "SelfFin", "WriteClosed"],
    [[], "Close", "Closing"],
    [[], "Abort", "Closing Aborted"],
    [[], "LingerExpired", "Closing LingerExpired"],
    [[], "Failed", "Closing Failed"],
    [[], "Released", "Closed Aborted"],
    [["PeerFin"], "PeerFin", "ReadClosed"],
    [["PeerFin"], "SelfFin", "Closing peerFin selfFin Graceful(peer)"],
    [["PeerFin"], "Close", "Closing peerFin"],
    [["PeerFin"], "Abort", "Closing peerFin Aborted"],
    [["PeerFin"], "Failed", "Closing peerFin Failed"],
    [["PeerFin"], "Released", "Closed Aborted"],
    [["SelfFin"], "SelfFin", "WriteClosed"],
    [["SelfFin"], "PeerFin", "Closing peerFin selfFin Graceful(self)"],
    [["SelfFin"], "Close", "Closing selfFin"],
    [["SelfFin"], "Abort", "Closing selfFin Aborted"],
    [["SelfFin"], "Failed", "Closing selfFin Failed"],
    [["SelfFin"], "Released", "Closed Aborted"],
    [["Close"], "PeerFin", "Closing peerFin"],
    [["Close"], "SelfFin", "Closing selfFin"],
    [["Close"], "Close", "Closing"],
    [["Close"], "Abort", "Closing Aborted"],
    [["Close"], "LingerExpired", "Closing LingerExpired"],
    [["Close"], "Failed", "Closing Failed"],
    [["Close"], "Released", "Closed Aborted"],
    [["Close", "SelfFin"], "PeerFin", "Closing peerFin selfFin Graceful(self)"],
    // Whoever's FIN was first is the initiator, also where we had decided to close before.
    [["Close", "PeerFin"], "SelfFin", "Closing peerFin selfFin Graceful(peer)"],
    [["SelfFin", "Close"], "PeerFin", "Closing peerFin selfFin Graceful(self)"],
    [["PeerFin", "Close"], "SelfFin", "Closing peerFin selfFin Graceful(peer)"],
    // The first reason stays.
    [["Abort"], "Failed", "Closing Aborted"],
    [["Failed"], "Abort", "Closing Failed"],
    [["LingerExpired", "PeerFin"], "SelfFin", "Closing peerFin selfFin LingerExpired"],
    [["PeerFin", "SelfFin"], "Failed", "Closing peerFin selfFin Graceful(peer)"],
    [["PeerFin", "SelfFin"], "Released", "Closed Graceful(peer)"],
    [["SelfFin", "PeerFin"], "Released", "Closed Graceful(self)"],
    [["Failed"], "Released", "Closed Failed"],
    [["LingerExpired"], "Released", "Closed LingerExpired"]
  ]
  for (const [before, next, to] of table) {
    it(`${["Open", ...before].join(" ")} --${next}--> ${to}`, () => {
      assert.strictEqual(show(run(open, [...before, next])), to)
    })
  }

  const dialling: ReadonlyArray<[Name, fromConnecting: string, fromResolving: string]> = [
    ["Resolved", "Connecting", "Connecting"],
    ["Connected", "Open", "Resolving"],
    ["HandshakeStarted", "Connecting", "Resolving"],
    ["Secured", "Connecting", "Resolving"],
    ["PeerFin", "Connecting", "Resolving"],
    ["SelfFin", "Connecting", "Resolving"],
    ["Close", "Closing Aborted", "Closing Aborted"],
    ["Abort", "Closing Aborted", "Closing Aborted"],
    ["Failed", "Closing Failed", "Closing Failed"],
    ["Released", "Closed Aborted", "Closed Aborted"]
  ]
  for (const [next, fromConnecting, fromResolving] of dialling) {
    it(`Connecting --${next}--> ${fromConnecting}, Resolving --${next}--> ${fromResolving}`, () => {
      assert.strictEqual(show(run(connecting, [next])), fromConnecting)
      assert.strictEqual(show(run(resolving, [next])), fromResolving)
    })
  }

  for (const name of names) {
    it(`Closed is not left by ${name}`, () => {
      const closed = run(open, ["Released"])
      assert.strictEqual(ConnectionState.transition(closed, event(name)), closed)
    })
  }

  it("keeps the error", () => {
    assert.deepStrictEqual(run(open, ["Failed", "Abort", "Released"]), {
      _tag: "Closed",
      reason: { _tag: "Failed", error }
    })
  })

  it("says which directions are open", () => {
    const directions = (events: ReadonlyArray<Name>) => {
      const state = run(connecting, events)
      return [ConnectionState.mayReceive(state), ConnectionState.maySend(state)]
    }
    assert.deepStrictEqual(directions([]), [false, false])
    assert.deepStrictEqual(directions(["Connected"]), [true, true])
    assert.deepStrictEqual(directions(["Connected", "HandshakeStarted"]), [false, false])
    assert.deepStrictEqual(directions(["Connected", "HandshakeStarted", "Secured"]), [true, true])
    assert.deepStrictEqual(directions(["Connected", "PeerFin"]), [false, true])
    assert.deepStrictEqual(directions(["Connected", "SelfFin"]), [true, false])
    assert.deepStrictEqual(directions(["Connected", "Close"]), [false, false])
    assert.deepStrictEqual(directions(["Connected", "Released"]), [false, false])
  })
})

describe("in whatever order the events come", () => {
  const events = Schema.Array(Schema.Literals(names)).check(Schema.isMaxLength(12))
  const withoutTls = events.check(Schema.makeFilter((all) => !all.includes("HandshakeStarted")))
  const from = Schema.Literals(["connecting", "open"])
  const states = (start: "connecting" | "open", events: ReadonlyArray<Name>) => {
    const all = [start === "open" ? open : connecting]
    for (const name of events) all.push(ConnectionState.transition(all.at(-1)!, event(name)))
    return all
  }
  const reasonIn = (state: ConnectionState.ConnectionState) =>
    state._tag === "Closing" || state._tag === "Closed" ? state.reason : undefined
  const options = { arbitrary: { runs: 2000 } }

  it.prop("Closed is left by no event", { from, events }, ({ events, from }) => {
    const all = states(from, events)
    const closed = all.findIndex(({ _tag }) => _tag === "Closed")
    if (closed >= 0) assert.isTrue(all.slice(closed).every((state) => state === all[closed]))
  }, options)

  it.prop("after Released it is always Closed", { from, events }, ({ events, from }) => {
    states(from, events).forEach((state, index) => {
      if (events.slice(0, index).includes("Released")) assert.strictEqual(state._tag, "Closed")
    })
  }, options)

  it.prop("there is one reason: once decided it stays", { from, events }, ({ events, from }) => {
    const reasons = states(from, [...events, "Released"]).map(reasonIn).filter((reason) => reason !== undefined)
    assert.lengthOf(new Set(reasons), 1)
  }, options)

  it.prop("Graceful is both FINs with nothing decisive before, by whose FIN was first", {
    events: withoutTls
  }, ({ events }) => {
    // The same in other words: look only at what came before the first decisive event.
    const decisive = events.findIndex((name) => ["Abort", "LingerExpired", "Failed", "Released"].includes(name))
    const calm = decisive < 0 ? events : events.slice(0, decisive)
    const peer = calm.indexOf("PeerFin")
    const self = calm.indexOf("SelfFin")
    const expected = peer >= 0 && self >= 0 ? `Graceful(${peer < self ? "peer" : "self"})` : undefined
    const found = why(reasonIn(run(open, events)))
    assert.strictEqual(found.startsWith("Graceful") ? found : undefined, expected)
  }, options)

  it.prop("it is never unclear where it is: nothing but Secured opens a direction again", { events }, ({ events }) => {
    const all = states("open", events)
    for (const may of [ConnectionState.mayReceive, ConnectionState.maySend]) {
      const shut = all.findIndex((state) => !may(state) && state._tag !== "Handshaking")
      if (shut >= 0) assert.isFalse(all.slice(shut).some(may))
    }
  }, options)
})
