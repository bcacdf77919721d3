// The context of a trace as text: "00", the trace, the span, and flags, of which the first says that it is sampled.
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

const traceId = /^(?!0{32})[0-9a-f]{32}$/
const spanId = /^(?!0{16})[0-9a-f]{16}$/

export const format = (span: Tracer.AnySpan): string | undefined => {
  // Some tracers have short ones.
  const trace = span.traceId.padStart(32, "0")
  return traceId.test(trace) && spanId.test(span.spanId)
    ? `00-${trace}-${span.spanId}-${span.sampled ? "01" : "00"}`
    : undefined
}

export const parse = (text = ""): Option.Option<Tracer.ExternalSpan> => {
  // Later versions begin as this one and may go on; ff is none.
  const [, version, trace = "", span = "", flags = "", more] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(text) ?? []
  const isOne = version === "00" ? more === undefined : version !== "ff"
  if (!isOne || !traceId.test(trace) || !spanId.test(span)) return Option.none()
  return Option.some(
    Tracer.externalSpan({ traceId: trace, spanId: span, sampled: Number.parseInt(flags, 16) % 2 === 1 })
  )
}
