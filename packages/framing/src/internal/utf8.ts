/** Text as UTF-8, strictly. */
import { utf8 } from "../ByteWriter.ts"
import { InvalidUtf8, MessageError } from "../FramingError.ts"
import { hasLoneSurrogate } from "./surrogates.ts"

/** Throws where it is not UTF-8. A byte order mark is a character like any other. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** The text of some bytes; undefined where they are not UTF-8. */
export const textOf = (bytes: Uint8Array): string | undefined => {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** The bytes of a text that is to be sent. */
export const bytesOf = (text: string): Uint8Array => {
  if (hasLoneSurrogate(text)) throw new MessageError({ direction: "encode", reason: new InvalidUtf8() })
  return utf8(text)
}
