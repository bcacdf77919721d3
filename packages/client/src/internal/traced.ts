// The asking part of a client, with a span for each request where that is wanted.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { ClientOptions, Requests } from "../Client.ts"
import { RequestError } from "../RequestError.ts"
import { asking } from "./asking.ts"
import type { Ticket } from "./Ticket.ts"

interface Asking<Req, Res, Err> {
  readonly ask: Requests<Req, Res, Err>
  readonly failed: (error: unknown) => Effect.Effect<void>
}

const typeOf = (error: unknown): string => {
  if (error instanceof RequestError) return error.reason._tag
  return typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : "_OTHER"
}

export const traced = <Req, Res, Err>(
  submit: (ticket: Ticket<Req, Res, Err>) => void,
  options: Pick<ClientOptions<Req>, "maxStreamed" | "span">
): Requests<Req, Res, Err> => {
  const plain = asking(submit, options)
  const { span: spanOf } = options
  if (spanOf === undefined) return plain

  const untraced: Asking<Req, Res, Err> = { ask: plain, failed: () => Effect.void }
  /** Opens the span, which ends with the scope. */
  const begin = (request: Req): Effect.Effect<Asking<Req, Res, Err>, never, Scope.Scope> =>
    Effect.contextWith((context) => {
      const wanted = context.mapUnsafe.has(Tracer.Tracer.key) ? spanOf(request) : undefined
      if (wanted === undefined) return Effect.succeed(untraced)
      const { attributes = {}, name } = wanted
      return Effect.map(Effect.makeSpanScoped(name, { kind: "client", attributes }), (span) => ({
        ask: asking<Req, Res, Err>((ticket) => {
          ticket.span = span
          submit(ticket)
        }, options),
        failed: (error) => Effect.sync(() => span.attribute("error.type", typeOf(error)))
      }))
    })
  const once =
    <A, E>(run: (ask: Requests<Req, Res, Err>, request: Req) => Effect.Effect<A, E>) =>
    (request: Req): Effect.Effect<A, E> =>
      Effect.scoped(
        Effect.flatMap(begin(request), ({ ask, failed }) => Effect.tapError(run(ask, request), failed))
      )
  const request = once((ask, request) => ask.request(request))
  return {
    request,
    requestAll: (requests) => Effect.forEach(requests, (it) => Effect.exit(request(it)), { concurrency: "unbounded" }),
    requestStream: (request) =>
      Stream.unwrap(
        Effect.map(begin(request), ({ ask, failed }) => Stream.tapError(ask.requestStream(request), failed))
      ),
    send: once((ask, request) => ask.send(request))
  }
}
