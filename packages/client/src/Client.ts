/**
 * One line to a server: many requests in flight, each with its own answer.
 *
 * ```text
 * request --+                                 +-- answer
 * request --+--> one write a batch ---> server +-- answer      in the order of the requests, or by id
 * request --+                                 +-- answer
 * ```
 *
 * @since 0.1.0
 */
import type { Address, ConnectionState, Transport, TransportError } from "@framewire/core"
import type { Greeting, Protocol, ProxyHeader } from "@framewire/framing"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Heartbeat } from "./Heartbeat.ts"
import * as Cell from "./internal/Cell.ts"
import { checkClient } from "./internal/checkOptions.ts"
import { dial } from "./internal/dial.ts"
import * as Pushes from "./internal/Pushes.ts"
import { refuse } from "./internal/Ticket.ts"
import { traced } from "./internal/traced.ts"
import type { RequestError } from "./RequestError.ts"
import type { Ending, Status } from "./Status.ts"

/**
 * What can be asked. Any number of fibers may ask.
 *
 * @category models
 * @since 0.1.0
 */
export interface Requests<in Req, out Res, out Err = never> {
  /**
   * Sends a request and suspends until its answer is there. Requests of the same turn go out in one write, for which they are
   * encoded when the turn ends: do not change them before.
   *
   * Interruption gives up waiting, and tells the server so if the protocol can; the answer, when it comes, is dropped and no
   * other is mistaken for it. Until then the request is in flight.
   *
   * **Errors**: the protocol's own; `RequestError`, which says whether the request was sent. When the line ends, every waiting request fails.
   */
  readonly request: (request: Req) => Effect.Effect<Res, RequestError | Err>

  /**
   * Sends many by one write, as far as `maxInFlight` lets them go at once, and suspends until each has ended: the outcomes
   * are in the order of the requests. It costs no fiber a request, unless each has a `span`.
   */
  readonly requestAll: (
    requests: Iterable<Req>
  ) => Effect.Effect<ReadonlyArray<Exit.Exit<Res, RequestError | Err>>>

  /**
   * Sends a request when the stream is run, and gives its answers as they come, the last one too, where an exchange has
   * several (`isLast`); `request` gives the last one alone. A failure comes behind the answers before it. A stream that is
   * not run to its end gives the request up, as interruption does.
   *
   * **Limits**: of `maxStreamed` answers that nobody has taken, nothing more is read from the line; after `requestTimeout`
   * the stream fails with `AnswersUnread`. That time is counted anew from each answer on.
   */
  readonly requestStream: (request: Req) => Stream.Stream<Res, RequestError | Err>

  /** Sends a request and suspends until the kernel has it. It is in flight until its answer comes, which is dropped. */
  readonly send: (request: Req) => Effect.Effect<void, RequestError>
}

/**
 * A client of a protocol: one line, one that is made anew, or many. Any number of fibers may use it. `Err` is the protocol's
 * own error, `P` what its server pushes.
 *
 * **Contract**: every request ends, with its own answer or with what is known of it. One that failed as `NotSent` was not
 * sent; none is sent twice unasked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Client<in Req, out Res, out Err = never, out P = never> extends Requests<Req, Res, Err> {
  /** What the server says that answers nothing, until the client ends. Several consumers share it. */
  readonly pushes: Stream.Stream<P>

  /** Where the client is, and every change of it, until it is closed. Of 64 changes that wait a slow reader loses the oldest. */
  readonly status: Stream.Stream<Status>

  /**
   * Takes no more requests: they fail as `NotSent`. Suspends until those in flight are answered, or `drainTimeout` is over,
   * and closes the client.
   */
  readonly drain: Effect.Effect<void>

  /** Suspends until the client has ended. */
  readonly closed: Effect.Effect<Ending>
}

/**
 * A client of one connection, which ends with it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Line<in Req, out Res, out Err = never, out P = never> extends Client<Req, Res, Err, P> {
  readonly local: Address.Address
  readonly remote: Address.Address
  readonly closed: Effect.Effect<ConnectionState.CloseReason>
}

/**
 * How to connect and what to have in flight. TLS, the local address and TCP's own keep-alive are those of `Transport`; an
 * address with a `path` is a Unix domain socket.
 *
 * @category options
 * @since 0.1.0
 */
export interface ClientOptions<in out Req = never, in P = never>
  extends Transport.ConnectOptions, Greeting.GreetingOptions
{
  /** Requests without an answer at a time on a line; more wait. Default 1024. */
  readonly maxInFlight?: number
  /**
   * Pushes that have not been taken yet, before the line waits, and with it the server. It ends with `PushesUnread` where none
   * is taken for all of `requestTimeout`, or nobody consumes `pushes` and one more comes. Default 1024.
   */
  readonly maxPushes?: number
  /**
   * How long a request may wait for its answer, from when it was asked; then it fails with `RequestTimedOut`, and is
   * cancelled if the protocol can. Where nothing was answered meanwhile, and the answers come in order or no place is
   * left, that ends the line. Default 30 s, `"Infinity"` for ever.
   */
  readonly requestTimeout?: Duration.Input
  /** Finds a peer that is silent. Default: only `keepAlive` of TCP, 30 s and 4 probes every 5 s. */
  readonly heartbeat?: Heartbeat<Req>
  /** How long `drain` waits for answers. Default 15 s. */
  readonly drainTimeout?: Duration.Input
  /**
   * Whose connection this one forwards: sent before anything else, the TLS handshake too, to a server that wants it.
   *
   * **Errors**: one that cannot be written is a `ConnectError` whose `retry` is `never`.
   *
   * **Source**: HAProxy, The PROXY protocol, versions 1 & 2.
   */
  readonly proxyHeader?: ProxyHeader.ProxyHeader
  /** Answers of one `requestStream` that nobody has taken yet, before the line waits. Default 64. */
  readonly maxStreamed?: number
  /**
   * What a request is called where there is a tracer: it has a span of kind `client` then, with `server.address`,
   * `server.port` and `network.transport` of its line and `error.type` of its failure beside these attributes, and its
   * `traceparent` goes with it where the exchange `carries` that. Default: no request has a span, and none costs anything.
   *
   * **Source**: OpenTelemetry, semantic conventions, RPC client spans: the name is `rpc.method`.
   */
  readonly span?: (request: Req) => RequestSpan | undefined
  /** Whether a push says that the server goes away: the line drains, and ends. It is a push all the same. */
  readonly isGoAway?: (push: P) => boolean
}

/**
 * The span of a request.
 *
 * @category options
 * @since 0.1.0
 */
export interface RequestSpan {
  /** Of few values: a method or a command, never an argument. */
  readonly name: string
  readonly attributes?: Readonly<Record<string, string | number | boolean>>
}

/**
 * What a client can speak: a greeting and what follows it, an exchange, or plain requests and answers.
 *
 * @category models
 * @since 0.1.0
 */
export type Spoken<Hello, Agreed, Refusal, Req, Res, Err, P> =
  | Greeting.Greeting<Hello, Agreed, Refusal, Req, Res, Err, P>
  | Protocol.Exchange<Req, Res, Err, P>
  | Protocol.Protocol<Req, Res>

/**
 * Connects to a server of the protocol. The scope owns the line; when it closes, every waiting request fails.
 *
 * **Errors**: `ConnectError`, and with `tls` `HandshakeError`, as of `Transport.connect`; with a greeting its refusal, or
 * `GreetingError`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const connect: {
  <Hello, Agreed, Refusal, Req, Res, Err, P>(
    greeting: Greeting.Greeting<Hello, Agreed, Refusal, Req, Res, Err, P>,
    address: Address.Address,
    options?: ClientOptions<NoInfer<Req>, NoInfer<P>>
  ): Effect.Effect<
    Line<Req, Res, Err, P>,
    TransportError.ConnectError | TransportError.HandshakeError | Refusal | Greeting.GreetingError,
    Transport.Transport | Scope.Scope
  >
  <Req, Res, Err, P>(
    exchange: Protocol.Exchange<Req, Res, Err, P>,
    address: Address.Address,
    options?: ClientOptions<NoInfer<Req>, NoInfer<P>>
  ): Effect.Effect<
    Line<Req, Res, Err, P>,
    TransportError.ConnectError | TransportError.HandshakeError,
    Transport.Transport | Scope.Scope
  >
  <Req, Res, Err = never, P = never>(
    protocol: Protocol.Protocol<Req, Res>,
    address: Address.Address,
    options?: ClientOptions<NoInfer<Req>, NoInfer<P>>
  ): Effect.Effect<
    Line<Req, Res, Err, P>,
    TransportError.ConnectError | TransportError.HandshakeError,
    Transport.Transport | Scope.Scope
  >
} = <Hello, Agreed, Refusal, Req, Res, Err, P>(
  spoken: Spoken<Hello, Agreed, Refusal, Req, Res, Err, P>,
  address: Address.Address,
  options: ClientOptions<Req, P> = {}
): Effect.Effect<
  Line<Req, Res, Err, P>,
  TransportError.ConnectError | TransportError.HandshakeError | Refusal | Greeting.GreetingError,
  Transport.Transport | Scope.Scope
> =>
  Effect.gen(function*() {
    checkClient(options)
    const status = yield* Cell.make({ _tag: "Connecting", attempt: 1, failure: undefined })
    const pushes = yield* Pushes.make<P>(options)
    const line = yield* dial(spoken, address, options, {
      unsent: refuse,
      pushed: pushes.offer,
      room: () => undefined,
      draining: () => status.set({ _tag: "Draining" }),
      ended: () => pushes.end()
    })
    const { connection } = line
    status.set({ _tag: "Ready", remote: connection.remote })
    yield* Effect.forkDetach(Effect.map(connection.closed, (reason) => status.set({ _tag: "Closed", reason })))
    return {
      ...traced<Req, Res, Err>((ticket) => line.submit(ticket), options),
      local: connection.local,
      remote: connection.remote,
      pushes: pushes.stream,
      status: status.changes,
      drain: Effect.suspend(() => {
        line.drain()
        return Effect.asVoid(connection.closed)
      }),
      closed: connection.closed
    }
  })
