// A codec as the laws see it: which of its messages it writes, and as which bytes.
import * as Result from "effect/Result"
import * as Codec from "../../Codec.ts"
import type { SuiteOptions } from "../CodecLaws.ts"
import { concat } from "./bytes.ts"
import { random } from "./random.ts"
import { type Event, LawViolation, same, show, showEvent } from "./trial.ts"

interface Frame<out Out> {
  readonly message: Out
  readonly bytes: Uint8Array
}

export interface Subject<in out In, in out Out> extends SuiteOptions<In, Out> {
  /** The frame of a message, or undefined where it is refused. */
  readonly write: (message: Out) => Frame<Out> | undefined
  /** Those of `messages` that are not refused. */
  readonly frames: (law: string) => ReadonlyArray<Frame<Out>>
  /** A frame of this payload, if there is one. */
  readonly frameOf: (size: number) => Frame<Out> | undefined
  readonly random: () => (below: number) => number
  /** Holds what came against what was sent. */
  readonly reads: (law: string, got: ReadonlyArray<Event<In>>, sent: ReadonlyArray<Out>, where: string) => void
}

export const fail = (law: string, detail: string): never => {
  throw new LawViolation({ law, detail })
}

// Above this a frame is not worth its memory.
const largest = 16_777_216

export const subject = <In, Out>(options: SuiteOptions<In, Out>): Subject<In, Out> => {
  const { codec, equal = same, messages, ofSize } = options
  const write = (message: Out) => {
    const encoded = Codec.encodeAll(codec, [message])
    return Result.isFailure(encoded) ? undefined : { message, bytes: concat(encoded.success) }
  }
  let frames: ReadonlyArray<Frame<Out>> | undefined
  return {
    ...options,
    write,
    frames: (law) => {
      frames ??= messages.flatMap((message) => write(message) ?? [])
      return frames.length > 0 ? frames : fail(law, "every message is refused, so no law can be seen")
    },
    frameOf: (size) => ofSize === undefined || size > largest ? undefined : write(ofSize(size)),
    random: () => random(options.seed ?? 1),
    reads: (law, got, sent, where) => {
      sent.forEach((message, at) => {
        const event = got[at]
        if (event === undefined || !("message" in event) || !equal(event.message, message)) {
          fail(law, `${where}: ${showEvent(event)} came instead of message ${at}, ${show(message)}`)
        }
      })
      if (got.length > sent.length) {
        fail(law, `${where}: ${showEvent(got[sent.length])} came, and nothing more was sent`)
      }
    }
  }
}
