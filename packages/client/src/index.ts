/**
 * Clients for framed protocols: connect, request.
 *
 * @since 0.1.0
 */

/**
 * One line to a server: many requests in flight, each with its own answer.
 *
 * @since 0.1.0
 */
export * as Client from "./Client.ts"

/**
 * Why a request has no answer, and what became of it.
 *
 * @since 0.1.0
 */
export * as RequestError from "./RequestError.ts"
