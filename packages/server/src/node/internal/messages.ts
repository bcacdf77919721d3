// What a primary and its workers tell each other, over the channel that Node opens between them, and how a worker starts.
import * as Schema from "effect/Schema"

/** Of the descriptor that is passed: the first after the standard ones, as systemd does it. */
export const descriptor = 3

/** A worker finds in it where it listens. What the worker starts inherits it, and has no channel. */
export const variable = "FRAMEWIRE_WORKER"

const Tcp = Schema.Struct({ host: Schema.String, port: Schema.Natural })

const Report = Schema.Struct({
  accepted: Schema.Natural,
  rejected: Schema.Natural,
  open: Schema.Natural,
  finished: Schema.Natural,
  interrupted: Schema.Natural,
  reset: Schema.Natural,
  durationMillis: Schema.Finite
})

/** The value of the variable. */
export const Place = Schema.fromJsonString(Tcp)

/** `last`: nobody takes from its queue after it. */
export const ToWorker = Schema.TaggedStruct("Drain", { last: Schema.Boolean })

export const FromWorker = Schema.Union([
  Schema.TaggedStruct("Ready", {}),
  Schema.TaggedStruct("Drained", { report: Report })
])

export type FromWorker = typeof FromWorker.Type
