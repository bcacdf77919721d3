// What a tap sees. Bytes in an event are bounded copies of what passed.
import type { Address } from "@framewire/core"
import type { HexDump } from "@framewire/framing"
import * as PubSub from "effect/PubSub"

/** Who sent it. */
export type Side = "client" | "server"

type Seen =
  | { readonly _tag: "Listening"; readonly address: Address.Address; readonly to: Address.Address }
  | { readonly _tag: "Guessed"; readonly framing: string; readonly why: string }
  | { readonly _tag: "Accepted"; readonly connection: number; readonly client: Address.Address }
  | { readonly _tag: "Dialled"; readonly connection: number }
  | { readonly _tag: "HalfClosed"; readonly connection: number; readonly by: Side }
  | { readonly _tag: "Closed"; readonly connection: number; readonly client: string; readonly server: string }
  | {
    readonly _tag: "Frame"
    readonly connection: number
    readonly from: Side
    /** Counted from 1, each way, those that are not shown too. */
    readonly number: number
    /** Where it begins in the stream of its side. */
    readonly offset: number
    /** On the wire, with its header. */
    readonly size: number
    /** The first of them. */
    readonly bytes: Uint8Array
    /** What they are; the payload of a frame that is whole. */
    readonly spans: ReadonlyArray<HexDump.Span>
  }
  | {
    readonly _tag: "Trouble"
    readonly connection: number
    readonly from: Side
    readonly error: string
    readonly message: string
  }
  | { readonly _tag: "Rates"; readonly open: number; readonly client: Rate; readonly server: Rate }

/** Of one direction, in the last second. */
export interface Rate {
  readonly bytes: number
  readonly frames: number
  /** Frames by size: of less than 16 bytes, 64, 256, and so on. */
  readonly sizes: ReadonlyArray<number>
  /** Frames of which no event tells. */
  readonly left: number
}

export type TapEvent = Seen & {
  /** Counted from 1; a gap says how many a slow watcher has missed. */
  readonly sequence: number
  readonly time: number
}

/** Tells everybody; a slow watcher loses the oldest of 1024. */
export interface Hub {
  readonly tell: (seen: Seen) => void
  readonly events: PubSub.PubSub<TapEvent>
}

export const hub = (events: PubSub.PubSub<TapEvent>): Hub => {
  let sequence = 0
  return {
    events,
    tell: (seen) => void PubSub.publishUnsafe(events, { ...seen, sequence: ++sequence, time: Date.now() })
  }
}
