// Frames and errors, newest last: 1000 of them, with a filter, a pause, and the bytes of the one that is selected.
import { append, at, make } from "./elements.js"

const maxFrames = 1000
const arrow = { client: "->", server: "<-" }
const hints = {
  ConnectionRefused: "nobody listens there: is the server up, and is --to right?",
  FrameTooLong: "is it another framing, or does --framing need a higher limit?",
  Malformed: "these bytes are not of this framing: try another, or leave --framing out",
  Truncated: "the peer ended, or was cut off, inside a frame",
  NotWatched: "the bytes pass, but are not decoded any more",
  TimedOut: "the server did not answer in time",
  Rejected: "turned away before it was served",
  Dropped: "it reads more slowly than others speak",
  Exceeded: "it was silent for longer than the server waits"
}

let paused = false
let selected
const items = []

const bytesOf = (hex) => (hex.match(/../g) || []).map((pair) => parseInt(pair, 16))
const character = (byte) => byte > 31 && byte < 127 ? String.fromCharCode(byte) : "."

const summary = (event) => {
  if (event._tag === "Guessed") return `framing guessed: ${event.framing} (${event.why}); --framing says another`
  const whose = `#${event.connection} ${arrow[event.from]}`
  if (event._tag === "Frame") {
    return `${whose} ${event.number}  ${event.size} B  ${bytesOf(event.bytes).slice(0, 80).map(character).join("")}`
  }
  return `${whose} ${event.error}: ${event.message}` + (hints[event.error] ? `  (${hints[event.error]})` : "")
}

const isWanted = (item) =>
  at("filter").value.trim().toLowerCase().split(/\s+/).every((word) =>
    /^#\d+$/.test(word) ? word === `#${item.event.connection}` : item.search.includes(word)
  )

const refilter = () => {
  for (const item of items) item.row.hidden = !isWanted(item)
}

/** Shows only what has these words. */
export const filter = (words) => {
  at("filter").value = words
  refilter()
}

const select = (item) => {
  selected?.row.removeAttribute("aria-selected")
  selected = item
  item.row.setAttribute("aria-selected", "true")
  at("frames").setAttribute("aria-activedescendant", item.row.id)
  item.row.scrollIntoView({ block: "nearest" })
  const detail = at("detail")
  detail.replaceChildren()
  if (item.event._tag !== "Frame") return detail.append(summary(item.event))
  const { from, offset, size, spans } = item.event
  const bytes = bytesOf(item.event.bytes)
  const kindAt = (index) => spans.find((span) => index >= span.offset && index < span.offset + span.size)?.kind ?? ""
  for (const kind of new Set(spans.map((span) => span.kind))) detail.append(make("span", kind, ` ${kind} `), " ")
  detail.append(`${size} bytes at ${offset} of the ${from}'s stream\n`)
  for (let start = 0; start < bytes.length; start += 16) {
    const line = bytes.slice(start, start + 16)
    detail.append((offset + start).toString(16).padStart(8, "0") + "  ")
    line.forEach((byte, i) => {
      detail.append(make("span", kindAt(start + i), byte.toString(16).padStart(2, "0")), " ")
    })
    detail.append("   ".repeat(16 - line.length) + " ")
    line.forEach((byte, i) => detail.append(make("span", kindAt(start + i), character(byte))))
    detail.append("\n")
  }
  if (bytes.length < size) detail.append(`${size - bytes.length} bytes more\n`)
}

export const addFrame = (event) => {
  if (paused) return
  const text = summary(event)
  const row = make("li", event._tag === "Frame" ? event.from : "trouble", text)
  row.setAttribute("role", "option")
  row.id = `frame-${event.sequence}`
  const bytes = event.bytes ?? ""
  const item = { event, row, search: `${text} ${bytes} ${bytesOf(bytes).map(character).join("")}`.toLowerCase() }
  row.addEventListener("click", () => select(item))
  row.hidden = !isWanted(item)
  items.push(item)
  if (items.length > maxFrames) items.shift()
  append(at("frames"), row, maxFrames)
}

const pause = () => {
  paused = !paused
  at("pause").setAttribute("aria-pressed", String(paused))
  at("pause").textContent = paused ? "Go on" : "Pause"
}

const move = (step) => {
  const shown = items.filter(({ row }) => !row.hidden)
  const next = shown[Math.min(shown.length - 1, Math.max(0, shown.indexOf(selected) + step))]
  if (next) select(next)
}

const steps = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }

const onKey = (key) => {
  if (key.ctrlKey || key.metaKey || key.altKey) return
  if (key.key === "Escape") {
    filter("")
    at("frames").focus()
  }
  // What is written there is no command.
  if (key.target.tagName === "INPUT") return
  if (key.key === "/") at("filter").focus()
  else if (key.key === "p") pause()
  else if (key.key in steps) move(steps[key.key])
  else return
  key.preventDefault()
}

export const startFrames = () => {
  at("filter").addEventListener("input", refilter)
  at("pause").addEventListener("click", pause)
  document.addEventListener("keydown", onKey)
}
