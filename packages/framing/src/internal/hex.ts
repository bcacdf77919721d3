// Bytes for people: in hex, and as the text that they may be.

const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))

export const toHex = (bytes: Uint8Array, between = ""): string =>
  Array.from(bytes, (byte) => digits[byte]).join(between)

/** The bytes of hex digits; undefined where they are none. */
export const fromHex = (hex: string): Uint8Array | undefined => {
  if (!/^([0-9a-f]{2})*$/i.test(hex)) return undefined
  return Uint8Array.from(
    { length: hex.length / 2 },
    (_, index) => Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16)
  )
}

export const isPrintable = (byte: number): boolean => byte >= 0x20 && byte < 0x7f

/** ASCII, with a dot for each byte that has no character. */
export const toText = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => isPrintable(byte) ? String.fromCharCode(byte) : ".").join("")
