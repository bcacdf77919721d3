/**
 * What both ends agree on.
 *
 * ```text
 * +------+----+----------------+----+
 * | verb | SP | text           | LF |     requests: upper hello
 * +------+----+----------------+----+     answers:  ok HELLO | error there is no verb up
 * ```
 *
 * A text is any but for LF, and may be empty; a verb is small letters.
 */
import { Codec, FramingError, Lines, Protocol } from "@framewire/framing"

export interface Message {
  readonly verb: string
  readonly text: string
}

/** The longest line in bytes: a longer one ends the connection, before it is held. */
export const limit = 4096

const pattern = /^([a-z]+) (.*)$/s

const malformed = (detail: string) => new FramingError.Malformed({ detail })

/** What is no message is a `MessageError`; what the encoder writes, the decoder reads as the same. */
export const codec: Codec.Codec<Message> = Codec.transform(
  Codec.text(Lines.make({ limit })),
  (line) => {
    const [, verb, text] = pattern.exec(line) ?? []
    if (verb !== undefined && text !== undefined) return { verb, text }
    const reason = malformed("a message is a verb, a space and a text")
    throw new FramingError.MessageError({ direction: "decode", reason })
  },
  ({ text, verb }) => {
    const line = `${verb} ${text}`
    if (pattern.exec(line)?.[1] === verb) return line
    const reason = malformed(`${JSON.stringify(verb)} is no verb`)
    throw new FramingError.MessageError({ direction: "encode", reason })
  }
)

export const protocol: Protocol.Protocol<Message, Message> = Protocol.symmetric(codec)
