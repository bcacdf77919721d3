// What was sent comes back: bytes on core's Connection, and frames.
import * as Effect from "effect/Effect"
import * as Child from "./Child.ts"
import type { Figure } from "./Figure.ts"
import * as LoadGenerator from "./LoadGenerator.ts"
import type { Case, Peer } from "./Suite.ts"

/** At a rate of its own the load is the same for all, and how long an answer takes is what differs. */
const shows = ({ rate }: LoadGenerator.Load): ReadonlyArray<Figure> =>
  rate === undefined ? ["perSecond", "cpu", "peak", "p50", "p99", "p999"] : ["p99", "p50", "p999", "cpu", "peak"]

/** A server of its own for each measurement: what one load did to its code and its heap is not the next one's. */
const against = (load: LoadGenerator.Load) => (server: string, ...args: ReadonlyArray<string>): Peer => (window) =>
  Effect.flatMap(Child.serve(server, ...args), (started) => LoadGenerator.echo(started, load, window))

const bytes = (name: string, load: LoadGenerator.Load): Case => {
  const peer = against(load)
  return {
    suite: "echo",
    name: `bytes ${name}`,
    base: "node:net",
    peers: { "node:net": peer("bytes-node"), core: peer("bytes-core"), pull: peer("bytes-pull") },
    shows: shows(load)
  }
}

const framed = (name: string, load: LoadGenerator.Load): Case => {
  const peer = against(load)
  return {
    suite: "echo",
    name: `framed ${name}`,
    base: "by hand",
    peers: {
      "by hand": peer("framed-node"),
      batch: peer("framed-batch"),
      respond: peer("framed-respond", "succeed"),
      "respond-generator": peer("framed-respond", "generator"),
      "respond-suspend": peer("framed-respond", "suspend"),
      "effect-socket": peer("framed-effect")
    },
    shows: shows(load),
    asks: load.rate === undefined ? "closed" : "open"
  }
}

const sizes = [["16 B", 16], ["256 B", 256], ["4 KiB", 4096], ["64 KiB", 65_536]] as const
const shapes = [["64x128", 64, 128], ["64x1", 64, 1], ["1x1", 1, 1]] as const

const shaped = (make: (name: string, load: LoadGenerator.Load) => Case, wanted: typeof sizes[number]) =>
  shapes.map(([shape, connections, depth]) => {
    const [title, size] = wanted
    // 64 connections of 128 frames of 64 KiB would be half a gigabyte in flight: one connection has it then.
    const [name, many] = size === 65_536 && depth > 1 ? ["1x128", 1] : [shape, connections]
    return make(`${name} ${title}`, { connections: many, depth, size })
  })

export const cases: ReadonlyArray<Case> = [
  ...[sizes[1], sizes[2]].flatMap((size) => shaped(bytes, size)),
  ...sizes.flatMap((size) => shaped(framed, size)),
  // Latency as a client sees it that does not wait for the server before it asks again.
  framed("64 at 20000/s 256 B", { connections: 64, size: 256, rate: 20_000 })
]
