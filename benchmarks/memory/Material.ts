// The messages that are decoded and encoded, as they are and on the wire.
import { createHash } from "node:crypto"

export interface Message {
  readonly id: number
  readonly name: string
  readonly ok: boolean
}

/** Payloads of u32be and varint frames, lines of text, lines that are JSON objects, lines that are JSON strings. */
export type Kind = "frames" | "lines" | "json" | "strings"

/** How frames are told apart. */
export type Wire = "u32be" | "varint" | "lf"

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
const wireBytes = 4 * 1024 * 1024
const chunkSize = 65_536

/** Any order of bits will do, but the same one in every process. */
const random = (() => {
  let state = 0x9e3779b9
  return (below: number) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
})()

const word = (size: number) => Array.from({ length: size }, () => letters[random(letters.length)]).join("")

const messageOf = (size: number): Message => {
  const message = { id: 100_000 + random(900_000), name: "", ok: random(2) === 1 }
  return { ...message, name: word(Math.max(0, size - JSON.stringify(message).length)) }
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** The bytes of what a peer made of a frame. */
export const bytesOf = (frame: unknown): Uint8Array =>
  frame instanceof Uint8Array ? frame : utf8(typeof frame === "string" ? frame : JSON.stringify(frame))

/** Frames are the same when these are. */
export const digest = (frames: Iterable<unknown>): string => {
  const hash = createHash("sha256")
  const size = Buffer.alloc(4)
  for (const frame of frames) {
    const bytes = bytesOf(frame)
    size.writeUInt32BE(bytes.length)
    hash.update(size).update(bytes)
  }
  return hash.digest("hex")
}

const varint = (value: number): ReadonlyArray<number> =>
  value < 128 ? [value] : [value % 128 + 128, ...varint(Math.floor(value / 128))]

const framed: Readonly<Record<Wire, (payload: Uint8Array) => ReadonlyArray<Uint8Array>>> = {
  u32be: (payload) => {
    const size = new Uint8Array(4)
    new DataView(size.buffer).setUint32(0, payload.length)
    return [size, payload]
  },
  varint: (payload) => [Uint8Array.from(varint(payload.length)), payload],
  lf: (payload) => [payload, Uint8Array.of(10)]
}

/** In chunks of 64 KiB, each in memory of its own, as sockets give them. */
export const chunksOf = (messages: ReadonlyArray<unknown>, kind: Kind, wire: Wire): ReadonlyArray<Buffer> => {
  const payload = kind === "strings" ? (message: unknown) => utf8(JSON.stringify(message)) : bytesOf
  const all = Buffer.concat(messages.flatMap((message) => framed[wire](payload(message))))
  const chunks: Array<Buffer> = []
  for (let at = 0; at < all.length; at += chunkSize) {
    chunks.push(Buffer.from(new Uint8Array(all.subarray(at, at + chunkSize)).buffer))
  }
  return chunks
}

/** The payloads of what was encoded; slow and plain, so that it can be believed. */
export const payloadsOf = (bytes: Buffer, wire: Wire): ReadonlyArray<Uint8Array> => {
  const payloads: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length;) {
    let size = 0
    if (wire === "lf") size = bytes.indexOf(10, at) - at
    else if (wire === "u32be") {
      size = bytes.readUInt32BE(at)
      at += 4
    } else {
      let scale = 1
      do {
        size += bytes[at]! % 128 * scale
        scale *= 128
      } while (bytes[at++]! >= 128)
    }
    payloads.push(bytes.subarray(at, at + size))
    at += size + (wire === "lf" ? 1 : 0)
  }
  return payloads
}

/** Some 4 MiB of messages of this many bytes. */
export const messagesOf = (kind: Kind, size: number): ReadonlyArray<unknown> =>
  Array.from({ length: Math.floor(wireBytes / (size + 4)) }, () => {
    if (kind === "json") return messageOf(size)
    if (kind === "strings") return word(size - 2)
    return kind === "lines" ? word(size) : Uint8Array.from({ length: size }, () => random(256))
  })
