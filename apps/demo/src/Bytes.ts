// Bytes as people and programs read them.
const decoder = new TextDecoder()

const escapes: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\u001b": "\\e" }

/**
 * The text with every control character written out, those that turn the direction of writing as well: what a peer sent must
 * not steer the terminal.
 */
export const visible = (text: string): string =>
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (char) => {
    const code = char.charCodeAt(0).toString(16)
    return escapes[char] ?? (code.length > 2 ? `\\u{${code}}` : `\\x${code.padStart(2, "0")}`)
  })

/** The same of a text that has lines of its own. */
export const visibleLines = (text: string): string => text.split("\n").map(visible).join("\n")

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** Hex in pairs, the first `atMost` bytes. */
export const spacedHex = (bytes: Uint8Array, atMost = 16): string => {
  const pairs = Array.from(bytes.subarray(0, atMost), (byte) => byte.toString(16).padStart(2, "0")).join(" ")
  return bytes.length > atMost ? `${pairs} ...` : pairs
}

/** As text in quotes, the first `atMost` bytes; what is not UTF-8 shows as U+FFFD. */
export const quoted = (bytes: Uint8Array, atMost = 64): string => {
  const text = decoder.decode(bytes.subarray(0, atMost)).replaceAll(/["\\]/g, "\\$&")
  return `"${visible(text)}"${bytes.length > atMost ? "..." : ""}`
}
