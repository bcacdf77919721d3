// A guess at what the peer speaks, from the first bytes of a frame that cannot be one. Guesses belong to people: nothing
// decides by them.
import { isPrintable, toText } from "./hex.ts"

const openings: ReadonlyArray<readonly [guess: string, ...begins: ReadonlyArray<string>]> = [
  ["an SSH banner", "SSH-"],
  ["an HTTP/2 connection", "PRI * HTTP/"],
  ["an HTTP response", "HTTP/"],
  [
    "an HTTP request",
    ...["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"].map((method) => `${method} `)
  ],
  ["a PROXY header, version 1: a proxy says who connects", "PROXY "],
  ["a PROXY header, version 2: a proxy says who connects", "\r\n\r\n\0\r\nQUIT\n"],
  ["gzip", "\x1f\x8b\x08"]
]

/** A record's type and version begin every TLS stream. */
const isTls = ([type = 0, major, minor = 0]: Uint8Array) => type >= 0x14 && type <= 0x17 && major === 3 && minor <= 4

/** One character a byte, so that texts can be about bytes. */
const latin1 = (bytes: Uint8Array): string => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")

const uint = (bytes: Uint8Array): number => bytes.reduce((value, byte) => value * 256 + byte, 0)

/** How the declared size stands at the beginning of the frame, and what it would be read from its other end. */
const fieldOf = (head: Uint8Array, size: number) => {
  for (const width of [2, 3, 4, 8]) {
    if (head.length < width) return undefined
    const field = head.subarray(0, width)
    const [bigEndian, littleEndian] = [uint(field), uint(field.toReversed())]
    if (bigEndian === size) return { field, other: littleEndian, endian: "little-endian" }
    if (littleEndian === size) return { field, other: bigEndian, endian: "big-endian" }
  }
  return undefined
}

/** What stands at the beginning of a frame, `size` being what its length declares if that is too much. */
export const hintOf = (
  head: Uint8Array,
  tooLong?: { readonly size: number; readonly limit: number }
): string | undefined => {
  if (isTls(head)) return "TLS: the peer encrypts, this side does not"
  const text = latin1(head)
  const opening = openings.find(([, ...begins]) => begins.some((begin) => text.startsWith(begin)))
  if (opening !== undefined) return opening[0]
  const declared = tooLong === undefined ? undefined : fieldOf(head, tooLong.size)
  if (declared === undefined || tooLong === undefined) return undefined
  const { endian, field, other } = declared
  if (field.every(isPrintable)) return `text where a length should be: ${JSON.stringify(toText(field))}`
  return other > 0 && other <= tooLong.limit ? `${endian}: the length would be ${other}` : undefined
}
