// What a tap sees, between a client and a server or within a server. Bytes in an event are bounded copies of what passed.
import type { Address } from "@framewire/core"
import type { HexDump } from "@framewire/framing"

/** Who sent it. */
export type Side = "client" | "server"

export type Seen =
  | {
    readonly _tag: "Listening"
    readonly address: Address.Address
    /** Where a tap connects. */
    readonly to?: Address.Address
    /** What a server calls the address. */
    readonly door?: string
  }
  | { readonly _tag: "Guessed"; readonly framing: string; readonly why: string }
  | {
    readonly _tag: "Accepted"
    readonly connection: number
    readonly client: Address.Address
    readonly door?: string
  }
  | { readonly _tag: "Dialled"; readonly connection: number }
  | { readonly _tag: "HalfClosed"; readonly connection: number; readonly by: Side }
  | {
    readonly _tag: "Closed"
    readonly connection: number
    /** How the line to the client ended. */
    readonly client: string
    /** And that of a tap to the server. */
    readonly server?: string
  }
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
