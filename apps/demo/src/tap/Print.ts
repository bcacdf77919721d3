// A tap's events as lines: for people, or one JSON object each for programs.
import { Address } from "@framewire/core"
import * as Bytes from "../Bytes.ts"
import type { Seen, TapEvent } from "./TapEvent.ts"

const arrows = { client: "->", server: "<-" }

const shownOf = ({ bytes, spans }: Extract<TapEvent, { _tag: "Frame" }>): Uint8Array =>
  spans.some(({ kind }) => kind === "frame")
    ? bytes
    : spans.find(({ kind }) => kind === "payload")?.bytes ?? new Uint8Array(0)

/** The words and the colour of an event, or nothing for what is not for people. */
const words = (event: TapEvent): readonly [text: string, colour: number] | undefined => {
  switch (event._tag) {
    case "Listening":
      return [
        [`listening ${Address.format(event.address)}`, ...event.to ? [`to ${Address.format(event.to)}`] : []].join(
          ", "
        ),
        0
      ]
    case "Guessed":
      return [`framing guessed: ${event.framing} (${event.why}); --framing says another`, 33]
    case "Accepted":
      return [`#${event.connection} accepted ${Address.format(event.client)}`, 32]
    case "Dialled":
      return [`#${event.connection} open`, 32]
    case "HalfClosed":
      return [`#${event.connection} half-closed by the ${event.by}`, 36]
    case "Closed":
      return [`#${event.connection} closed: client ${event.client}, server ${event.server ?? "none"}`, 36]
    case "Frame":
      return [
        `#${event.connection} ${arrows[event.from]} ${event.number}  ${event.size} bytes  ` +
        `${Bytes.spacedHex(event.bytes)}  ${Bytes.quoted(shownOf(event))}`,
        event.from === "client" ? 34 : 35
      ]
    case "Trouble":
      return [`#${event.connection} ${arrows[event.from]} ${event.error}: ${Bytes.visible(event.message)}`, 31]
    case "Rates": {
      const left = event.client.left + event.server.left
      return left === 0 ? undefined : [`${left} more frames not shown`, 2]
    }
  }
}

/** A line for people; undefined where there is nothing to say. */
export const line = (event: TapEvent, colours: boolean): string | undefined => {
  const said = words(event)
  if (said === undefined) return undefined
  const [text, colour] = said
  const time = new Date(event.time).toISOString().slice(11, 23)
  return `${time}  ${colours && colour !== 0 ? `\u001b[${colour}m${text}\u001b[0m` : text}`
}

/** What JSON has of an event: bytes in hex, spans without their bytes. */
export const toJson = (event: Seen): unknown => {
  switch (event._tag) {
    case "Frame":
      return {
        ...event,
        bytes: Bytes.hex(event.bytes),
        spans: event.spans.map(({ bytes, kind, offset }) => ({ kind, offset, size: bytes.length }))
      }
    case "Listening":
      return {
        ...event,
        address: Address.format(event.address),
        ...event.to === undefined ? {} : { to: Address.format(event.to) }
      }
    case "Accepted":
      return { ...event, client: Address.format(event.client) }
    default:
      return event
  }
}
