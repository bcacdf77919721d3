/**
 * Requests and answers over one connection, as one value for both ends.
 *
 * ```text
 * client   request 1 | request 2 | request 3 ->
 *          <- answer 1 | answer 2 | answer 3             in the order of the requests, so nothing else tells them apart
 * ```
 *
 * @since 0.1.0
 */
import * as Codec from "./Codec.ts"

/**
 * What both ends agree on. `server` reads requests and writes answers, `client` the other way round.
 *
 * @category models
 * @since 0.1.0
 */
export interface Protocol<in out Req, in out Res> {
  readonly server: Codec.Codec<Req, Res>
  readonly client: Codec.Codec<Res, Req>
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
