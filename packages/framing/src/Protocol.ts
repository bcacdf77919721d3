/**
 * Requests and answers over one connection, as one value for both ends.
 *
 * ```text
 * in order  client   request a | request b | request c ->
 *           server   <- answer a | answer b | answer c       nothing else tells the answers apart
 *
 * by id     client   Request 1 a | Request 2 b | Cancel 2 ->
 *           server   <- Push x | Cancelled 2 | Response 1 a  each with the id of its request, as they are ready
 * ```
 *
 * What both ends say before that, to agree on a version, is a `Greeting`.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Tracer from "effect/Tracer"
import * as Codec from "./Codec.ts"
import { InvalidOption } from "./FramingError.ts"
import * as TraceParent from "./internal/TraceParent.ts"

/**
 * Answers in the order of the requests, and nothing else. `server` reads requests and writes answers, `client` the other
 * way round.
 *
 * @category models
 * @since 0.1.0
 */
export interface Protocol<in out Req, in out Res> {
  readonly server: Codec.Codec<Req, Res>
  readonly client: Codec.Codec<Res, Req>
}

/**
 * What tells requests apart. The client chooses numbers; a codec may read others of a foreign client.
 *
 * @category models
 * @since 0.1.0
 */
export type Id = number | string

/**
 * A request, which gets exactly one reply with its id, or several of which one is the last (`Exchange.isLast`).
 *
 * @category models
 * @since 0.1.0
 */
export interface Request<out Req> {
  readonly _tag: "Request"
  readonly id: Id
  readonly request: Req
  /** For how many milliseconds more the client waits: an answer after that is nobody's. Only where the exchange `carries` it. */
  readonly timeout?: number
  /** The span of the client that asks, as W3C's `traceparent`; `parentSpan` reads it. Only where the exchange `carries` it. */
  readonly traceparent?: string
}

/**
 * What can stand beside a request.
 *
 * @category models
 * @since 0.1.0
 */
export type Carried = "timeout" | "traceparent"

/**
 * The client needs no answer any more. There is a reply all the same: `Cancelled`, unless another was faster.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cancel {
  readonly _tag: "Cancel"
  readonly id: Id
}

/**
 * What a client says.
 *
 * @category models
 * @since 0.1.0
 */
export type Call<Req> = Request<Req> | Cancel

/**
 * The answer of a request.
 *
 * @category models
 * @since 0.1.0
 */
export interface Response<out Res> {
  readonly _tag: "Response"
  readonly id: Id
  readonly response: Res
}

/**
 * The error of a request: what the client's request fails with.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure<out Err> {
  readonly _tag: "Failure"
  readonly id: Id
  readonly error: Err
}

/**
 * The server has given a request up.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cancelled {
  readonly _tag: "Cancelled"
  readonly id: Id
}

/**
 * A message of the server that answers nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Push<out A> {
  readonly _tag: "Push"
  readonly push: A
}

/**
 * What a server says.
 *
 * @category models
 * @since 0.1.0
 */
export type Reply<Res, Err = never, P = never> = Response<Res> | Failure<Err> | Cancelled | Push<P>

/**
 * Requests with typed errors, and pushes. `P` is what is pushed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Exchange<in out Req, in out Res, in out Err = never, in out P = never> {
  /** How an answer finds its request. */
  readonly answers: "by-id" | "in-order"
  /** Whether a client that gives a request up says so. */
  readonly cancels: boolean
  /** The ids of a client are whole numbers from 1 to this. */
  readonly maxId: number
  /** What its requests have a field for. */
  readonly carries: ReadonlyArray<Carried>
  /** Whether this is the last answer of its request. Undefined where each request has one answer. */
  readonly isLast: ((response: Res) => boolean) | undefined
  readonly server: Codec.Codec<Call<Req>, Reply<Res, Err, P>>
  readonly client: Codec.Codec<Reply<Res, Err, P>, Call<Req>>
}

/**
 * A client used an id again before its answer, so that nobody could tell the answers apart: the connection is over.
 *
 * @category errors
 * @since 0.1.0
 */
export class DuplicateRequest extends Data.TaggedError("DuplicateRequest")<{ readonly id: Id }> {
  override get message(): string {
    return `the request ${this.id} is not answered yet, and came again`
  }
}

/**
 * A protocol from the codecs of its requests and of its answers.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Req, Res>(options: {
  readonly request: Codec.Codec<Req>
  readonly response: Codec.Codec<Res>
}): Protocol<Req, Res> => ({
  server: Codec.duplex(options.request, options.response),
  client: Codec.duplex(options.response, options.request)
})

/**
 * A protocol whose requests and answers are of one kind: an echo, or lines both ways.
 *
 * @category constructors
 * @since 0.1.0
 */
export const symmetric = <A>(codec: Codec.Codec<A>): Protocol<A, A> => ({ server: codec, client: codec })

/**
 * What is said in an exchange, as codecs.
 *
 * @category options
 * @since 0.1.0
 */
export interface ExchangeOptions<Req, Res, Err, P> {
  readonly call: Codec.Codec<Call<Req>>
  readonly reply: Codec.Codec<Reply<Res, Err, P>>
  /** Whether `call` can say `Cancel`. Default false: then it need not encode that. */
  readonly cancels?: boolean
  /** The largest id that fits; a client has as many requests in flight at most. Default 2^31 - 1. */
  readonly maxId?: number
  /** What `call` can say beside a request: a client of ours says it then. Default nothing. */
  readonly carries?: ReadonlyArray<Carried>
  /** Whether an answer is the last of its request, where there can be several. Default: each is, and none is looked at. */
  readonly isLast?: (response: Res) => boolean
}

const exchange = <Req, Res, Err, P>(
  answers: "by-id" | "in-order",
  { call, cancels = false, carries = [], isLast, maxId = 2_147_483_647, reply }: ExchangeOptions<Req, Res, Err, P>
): Exchange<Req, Res, Err, P> => {
  if (!(Number.isSafeInteger(maxId) && maxId >= 1)) {
    throw new InvalidOption({ option: "maxId", value: maxId, allowed: "a whole number from 1" })
  }
  return {
    answers,
    cancels,
    maxId,
    carries,
    isLast,
    server: Codec.duplex(call, reply),
    client: Codec.duplex(reply, call)
  }
}

/**
 * A protocol whose answers come as they are ready, and say of which request. A protocol that has its own messages maps them
 * with `Codec.transform`, which is where its ids are taken from and put in.
 *
 * **Contract**: a server replies exactly once to each request, one that was cancelled too. A client uses an id again only
 * after that.
 *
 * **Errors**: throws `InvalidOption` for `maxId`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const byId = <Req, Res, Err = never, P = never>(
  options: ExchangeOptions<Req, Res, Err, P>
): Exchange<Req, Res, Err, P> => exchange("by-id", options)

/**
 * A protocol whose answers come in the order of the requests, with typed errors and pushes in between. The codecs may leave
 * ids out: what they decode as one is not looked at.
 *
 * A request that the client gives up cannot be cancelled: its answer keeps its place in the order, so it has to come, and is
 * dropped. Where the work is worth stopping, take `byId`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const inOrder = <Req, Res, Err = never, P = never>(
  options: Pick<ExchangeOptions<Req, Res, Err, P>, "call" | "reply" | "carries" | "isLast">
): Exchange<Req, Res, Err, P> => exchange("in-order", options)

/**
 * A protocol by id whose messages are the tagged objects above, as JSON of the shapes that the schemas say.
 *
 * @category constructors
 * @since 0.1.0
 */
export const json = <Req, Res, Err = never, P = never>(options: {
  readonly framing: Codec.Framing
  readonly request: Schema.Codec<Req, unknown>
  readonly response: Schema.Codec<Res, unknown>
  readonly error?: Schema.Codec<Err, unknown>
  readonly push?: Schema.Codec<P, unknown>
  readonly carries?: ReadonlyArray<Carried>
  readonly isLast?: (response: Res) => boolean
}): Exchange<Req, Res, Err, P> => {
  const { error = Schema.Never, framing, push = Schema.Never, request, response, ...more } = options
  const id = Schema.Union([Schema.Int, Schema.String])
  return byId({
    call: Codec.json(Schema.Union([
      Schema.TaggedStruct("Request", {
        id,
        request,
        timeout: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))),
        traceparent: Schema.optionalKey(Schema.String)
      }),
      Schema.TaggedStruct("Cancel", { id })
    ]))(framing),
    reply: Codec.json(Schema.Union([
      Schema.TaggedStruct("Response", { id, response }),
      Schema.TaggedStruct("Failure", { id, error }),
      Schema.TaggedStruct("Cancelled", { id }),
      Schema.TaggedStruct("Push", { push })
    ]))(framing),
    cancels: true,
    ...more
  })
}

/**
 * The span of the client that a request carries, to be the parent of what answers it; none where what it carries is none.
 *
 * **Source**: W3C, Trace Context, `traceparent`.
 *
 * @category tracing
 * @since 0.1.0
 */
export const parentSpan = ({ traceparent }: Request<unknown>): Option.Option<Tracer.ExternalSpan> =>
  TraceParent.parse(traceparent)

/**
 * A span as `Request.traceparent`; undefined for one that goes nowhere, such as where tracing is off.
 *
 * **Source**: W3C, Trace Context, `traceparent`.
 *
 * @category tracing
 * @since 0.1.0
 */
export const traceparent = (span: Tracer.AnySpan): string | undefined => TraceParent.format(span)

/**
 * A protocol of plain requests and answers as an exchange.
 *
 * @category converting
 * @since 0.1.0
 */
export const toExchange = <Req, Res, Err = never, P = never>(
  protocol: Protocol<Req, Res>
): Exchange<Req, Res, Err, P> => {
  const toRequest = (call: Call<Req>): Req => {
    if (call._tag === "Request") return call.request
    throw new Error("a protocol of requests and answers has no way to cancel")
  }
  const toResponse = (reply: Reply<Res, Err, P>): Res => {
    if (reply._tag === "Response") return reply.response
    throw new Error(`a protocol of requests and answers has no ${reply._tag}`)
  }
  return {
    answers: "in-order",
    cancels: false,
    maxId: Number.MAX_SAFE_INTEGER,
    carries: [],
    isLast: undefined,
    server: Codec.transform(protocol.server, (request) => ({ _tag: "Request", id: 0, request }), toResponse),
    client: Codec.transform(protocol.client, (response) => ({ _tag: "Response", id: 0, response }), toRequest)
  }
}
