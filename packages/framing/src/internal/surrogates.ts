/** Surrogates that stand alone: such a text has no UTF-8. */

const lone = /\p{Surrogate}/u

export const hasLoneSurrogate = (text: string): boolean => lone.test(text)

/** Whether one is anywhere in a value of JSON. */
export const holdsLoneSurrogate = (value: unknown): boolean => {
  let found = false
  JSON.stringify(value, (key, inner: unknown) => {
    found ||= lone.test(key) || typeof inner === "string" && lone.test(inner)
    return inner
  })
  return found
}

/** Whether U+FFFD is in the bytes, which is what most encoders write for a lone surrogate. */
export const holdsReplacement = (bytes: Uint8Array): boolean => {
  for (let at = bytes.indexOf(0xef); at >= 0; at = bytes.indexOf(0xef, at + 1)) {
    if (bytes[at + 1] === 0xbf && bytes[at + 2] === 0xbd) return true
  }
  return false
}
