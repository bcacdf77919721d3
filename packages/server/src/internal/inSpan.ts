import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"

/** As `Effect.withSpan`, but leaves no stack frame of ours in the causes that handlers fail with. */
export const inSpan =
  (name: string, options: Tracer.SpanOptionsNoTrace = {}) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Tracer.ParentSpan>> =>
    Effect.useSpan(name, options, (span) => Effect.provideService(self, Tracer.ParentSpan, span))
