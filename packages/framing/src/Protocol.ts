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
import * as Schema from "effect/Schema"
import * as Codec from "./Codec.ts"
import { InvalidOption } from "./FramingError.ts"

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
 * A request, which gets exactly one reply with its id.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request<out Req> {
  readonly _tag: "Request"
  readonly id: Id
  readonly request: Req
}

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
}

const exchange = <Req, Res, Err, P>(
  answers: "by-id" | "in-order",
  { call, cancels = false, maxId = 2_147_483_647, reply }: ExchangeOptions<Req, Res, Err, P>
): Exchange<Req, Res, Err, P> => {
  if (!(Number.isSafeInteger(maxId) && maxId >= 1)) {
    throw new InvalidOption({ option: "maxId", value: maxId, allowed: "a whole number from 1" })
  }
  return { answers, cancels, maxId, server: Codec.duplex(call, reply), client: Codec.duplex(reply, call) }
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
  options: Pick<ExchangeOptions<Req, Res, Err, P>, "call" | "reply">
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
}): Exchange<Req, Res, Err, P> => {
  const { error = Schema.Never, framing, push = Schema.Never, request, response } = options
  const id = Schema.Union([Schema.Int, Schema.String])
  return byId({
    call: Codec.json(Schema.Union([
      Schema.TaggedStruct("Request", { id, request }),
      Schema.TaggedStruct("Cancel", { id })
    ]))(framing),
    reply: Codec.json(Schema.Union([
      Schema.TaggedStruct("Response", { id, response }),
      Schema.TaggedStruct("Failure", { id, error }),
      Schema.TaggedStruct("Cancelled", { id }),
      Schema.TaggedStruct("Push", { push })
    ]))(framing),
    cancels: true
  })
}

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
    server: Codec.transform(protocol.server, (request) => ({ _tag: "Request", id: 0, request }), toResponse),
    client: Codec.transform(protocol.client, (response) => ({ _tag: "Response", id: 0, response }), toRequest)
  }
}
