import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"

/**
 * As `Effect.withSpan`, but leaves no stack frame of ours in the causes that handlers fail with, and costs nothing where
 * the context has no tracer: a span of Effect's own goes nowhere, and takes 1 KB for as long as a connection is open.
 */
export const inSpan =
  (name: string, options: () => Tracer.SpanOptionsNoTrace = () => ({})) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Exclude<R, Tracer.ParentSpan>> =>
    Effect.contextWith((context) =>
      context.mapUnsafe.has(Tracer.Tracer.key)
        ? Effect.useSpan(name, options(), (span) => Effect.provideService(self, Tracer.ParentSpan, span))
        : self
    )
