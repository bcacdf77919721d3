// What passes on the wire, as server-sent events: what is kept comes first, then it is live.
import * as connections from "./connections.js"
import { at } from "./elements.js"
import { addFrame, startFrames } from "./frames.js"
import { plot } from "./plots.js"

let run
let last = 0
let held = 0
let lost = 0
const places = new Set()

const say = () => {
  at("note").textContent = [
    ...held > 0 ? [`${held} frames of the last second are counted and not shown`] : [],
    ...lost > 0 ? [`${lost} events lost: this page was too slow`] : []
  ].join("; ")
}

const takes = {
  Listening: ({ address, door, to }) => {
    places.add([door, address, ...to === undefined ? [] : ["to", to]].filter(Boolean).join(" "))
    at("where").textContent = [...places].join(", ")
  },
  Accepted: connections.accepted,
  Dialled: connections.dialled,
  HalfClosed: connections.halfClosed,
  Closed: connections.closed,
  Rates: (event) => {
    plot(event)
    held = event.client.left + event.server.left
    say()
  },
  Frame: addFrame,
  Guessed: addFrame,
  Trouble: addFrame
}

const take = (event) => {
  if (event._tag === "Here") {
    // Another process has taken the port: nothing of what is shown is its.
    if (run !== undefined && run !== event.run) return location.reload()
    run = event.run
    event.listening.forEach(takes.Listening)
    return connections.open(event.lives)
  }
  // After a new connection, what is kept comes again.
  if (event.sequence <= last) return
  if (last > 0 && event.sequence > last + 1) {
    lost += event.sequence - last - 1
    say()
  }
  last = event.sequence
  takes[event._tag]?.(event)
}

/** One stream for all tabs; where there are no shared workers each has its own. */
const follow = (hear) => {
  if (typeof SharedWorker === "undefined") {
    const events = new EventSource("/events")
    for (const name of ["open", "error", "message"]) events.addEventListener(name, ({ data }) => hear(name, data))
    return
  }
  const { port } = new SharedWorker("/feed.js")
  port.addEventListener("message", ({ data: [name, data] }) => {
    port.postMessage("taken")
    hear(name, data)
  })
  port.start()
  addEventListener("pagehide", () => port.postMessage("bye"))
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted) location.reload()
  })
}

export const startWire = () => {
  startFrames()
  follow((name, data) => {
    if (name === "message") return take(JSON.parse(data))
    at("link").textContent = name === "open" ? "live" : "the server is gone, or has 16 pages"
  })
}
