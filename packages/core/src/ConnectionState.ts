/**
 * The life of a connection as one pure reducer, `(state, event) -> state`, that every transport runs on.
 *
 * Rule 1: everything about the state lives here. Rule 2: this file does not know which end it serves.
 *
 * ```text
 *           Resolved             Connected           PeerFin                  SelfFin
 * Resolving --------> Connecting ---------> Open ----------> ReadClosed  ------------------.
 *                                           ^ |                                            v          Released
 *                                           | |     SelfFin               PeerFin       Closing(Graceful) ----> Closed(reason)
 *                                   Secured | |----------------> WriteClosed --------------'
 *                                           | v HandshakeStarted
 *                                         Handshaking
 *
 * any but Closed:  Abort -> Closing(Aborted)   Failed(error) -> Closing(Failed)   LingerExpired -> Closing(LingerExpired)
 *                  Close -> Closing(undecided), which PeerFin and SelfFin together decide as Graceful
 * before Open:     Close -> Closing(Aborted): there is nothing to end gracefully
 * ```
 *
 * | state       | TCP (RFC 9293)        | may receive | may send |
 * | ----------- | --------------------- | ----------- | -------- |
 * | Resolving   | CLOSED                | no          | no       |
 * | Connecting  | SYN-SENT              | no          | no       |
 * | Open        | ESTABLISHED           | yes         | yes      |
 * | Handshaking | ESTABLISHED           | no          | no       |
 * | ReadClosed  | CLOSE-WAIT            | no          | yes      |
 * | WriteClosed | FIN-WAIT-1, -2        | yes         | no       |
 * | Closing     | LAST-ACK, CLOSING ... | no          | no       |
 * | Closed      | CLOSED, TIME-WAIT     | no          | no       |
 *
 * The first event that decides the reason wins; `Closed` is left by no event, so there is exactly one `CloseReason`.
 *
 * @since 0.1.0
 */
import type { ConnectError, HandshakeError, ReceiveError, SendError } from "./TransportError.ts"

/**
 * Why a connection ended.
 *
 * - `Graceful`: FIN went both ways; `initiator` sent the first one.
 * - `Aborted`: this side gave up without waiting for the peer, by `abort` or because its scope had to end.
 * - `LingerExpired`: this side closed, and the peer had not finished when the linger time was over.
 * - `Failed`: it could not be made, or secured; the peer reset, or the network failed.
 *
 * @category models
 * @since 0.1.0
 */
export type CloseReason =
  | { readonly _tag: "Graceful"; readonly initiator: "self" | "peer" }
  | { readonly _tag: "Aborted" }
  | { readonly _tag: "LingerExpired" }
  | { readonly _tag: "Failed"; readonly error: Failure }

/**
 * What can break a connection.
 *
 * @category models
 * @since 0.1.0
 */
export type Failure = ConnectError | HandshakeError | ReceiveError | SendError

/**
 * Where a connection is in its life.
 *
 * @category models
 * @since 0.1.0
 */
export type ConnectionState =
  | { readonly _tag: "Resolving" }
  | { readonly _tag: "Connecting" }
  | { readonly _tag: "Open" }
  | { readonly _tag: "Handshaking" }
  | { readonly _tag: "ReadClosed" }
  | { readonly _tag: "WriteClosed" }
  | {
    readonly _tag: "Closing"
    readonly peerFin: boolean
    readonly selfFin: boolean
    readonly initiator: "self" | "peer"
    readonly reason: CloseReason | undefined
  }
  | { readonly _tag: "Closed"; readonly reason: CloseReason }

/**
 * What happens to a connection.
 *
 * - `Resolved`: the name has addresses to connect to.
 * - `HandshakeStarted`, `Secured`: TLS is being agreed on, was agreed on.
 * - `PeerFin`, `SelfFin`: the end of one direction was received, was sent.
 * - `Close`: this side wants to close gracefully.
 * - `Released`: the platform has freed the descriptor.
 *
 * @category models
 * @since 0.1.0
 */
export type ConnectionEvent =
  | { readonly _tag: "Resolved" }
  | { readonly _tag: "Connected" }
  | { readonly _tag: "HandshakeStarted" }
  | { readonly _tag: "Secured" }
  | { readonly _tag: "PeerFin" }
  | { readonly _tag: "SelfFin" }
  | { readonly _tag: "Close" }
  | { readonly _tag: "Abort" }
  | { readonly _tag: "LingerExpired" }
  | { readonly _tag: "Failed"; readonly error: Failure }
  | { readonly _tag: "Released" }

/**
 * The first state of a connection that this side dials by name.
 *
 * @category constructors
 * @since 0.1.0
 */
export const resolving: ConnectionState = { _tag: "Resolving" }

/**
 * The first state of a connection that this side dials by address.
 *
 * @category constructors
 * @since 0.1.0
 */
export const connecting: ConnectionState = { _tag: "Connecting" }

/**
 * The first state of an accepted connection.
 *
 * @category constructors
 * @since 0.1.0
 */
export const open: ConnectionState = { _tag: "Open" }

const handshaking: ConnectionState = { _tag: "Handshaking" }
const readClosed: ConnectionState = { _tag: "ReadClosed" }
const writeClosed: ConnectionState = { _tag: "WriteClosed" }

type Closing = Extract<ConnectionState, { _tag: "Closing" }>

const toClosing = (state: Exclude<ConnectionState, { _tag: "Closed" }>): Closing =>
  state._tag === "Closing" ? state : {
    _tag: "Closing",
    peerFin: state._tag === "ReadClosed",
    selfFin: state._tag === "WriteClosed",
    initiator: state._tag === "ReadClosed" ? "peer" : "self",
    reason: undefined
  }

const isBeforeOpen = ({ _tag }: ConnectionState): boolean =>
  _tag === "Resolving" || _tag === "Connecting" || _tag === "Handshaking"

const decide = (state: Closing, reason: CloseReason): Closing =>
  state.reason === undefined ? { ...state, reason } : state

const fin = (state: Closing, from: "self" | "peer"): Closing => {
  const peerFin = state.peerFin || from === "peer"
  const selfFin = state.selfFin || from === "self"
  // Deciding to close is not sending FIN: the peer's can still be the first.
  const initiator = state.peerFin || state.selfFin ? state.initiator : from
  const next = { ...state, peerFin, selfFin, initiator }
  return peerFin && selfFin ? decide(next, { _tag: "Graceful", initiator }) : next
}

/**
 * The state after the event. An event that cannot happen in a state leaves it as it is: the platform may report late.
 *
 * @category transitions
 * @since 0.1.0
 */
export const transition = (state: ConnectionState, event: ConnectionEvent): ConnectionState => {
  if (state._tag === "Closed") return state
  switch (event._tag) {
    case "Resolved":
      return state._tag === "Resolving" ? connecting : state
    case "Connected":
      return state._tag === "Connecting" ? open : state
    case "HandshakeStarted":
      return state._tag === "Open" ? handshaking : state
    case "Secured":
      return state._tag === "Handshaking" ? open : state
    case "PeerFin":
      if (state._tag === "Open") return readClosed
      return state._tag === "WriteClosed" || state._tag === "Closing" ? fin(toClosing(state), "peer") : state
    case "SelfFin":
      if (state._tag === "Open") return writeClosed
      return state._tag === "ReadClosed" || state._tag === "Closing" ? fin(toClosing(state), "self") : state
    case "Close":
      return isBeforeOpen(state) ? decide(toClosing(state), { _tag: "Aborted" }) : toClosing(state)
    case "Abort":
      return decide(toClosing(state), { _tag: "Aborted" })
    case "LingerExpired":
      return decide(toClosing(state), { _tag: "LingerExpired" })
    case "Failed":
      return decide(toClosing(state), { _tag: "Failed", error: event.error })
    case "Released":
      return { _tag: "Closed", reason: toClosing(state).reason ?? { _tag: "Aborted" } }
  }
}

/**
 * The bytes of the peer can still come.
 *
 * @category guards
 * @since 0.1.0
 */
export const mayReceive = (state: ConnectionState): boolean => state._tag === "Open" || state._tag === "WriteClosed"

/**
 * Bytes can still be sent.
 *
 * @category guards
 * @since 0.1.0
 */
export const maySend = (state: ConnectionState): boolean => state._tag === "Open" || state._tag === "ReadClosed"
