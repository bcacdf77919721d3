// What a frame costs does not depend on how many connections, how long a frame, how many frames there are.
import * as Effect from "effect/Effect"
import * as Child from "./Child.ts"
import * as LoadGenerator from "./LoadGenerator.ts"
import type { Case, Peer } from "./Suite.ts"
import type { Target } from "./targets.ts"

type Serve = readonly [server: string, ...args: ReadonlyArray<string>]

const asked = (serve: Serve, load: LoadGenerator.Load, seconds?: number): Peer => (window) =>
  Effect.flatMap(
    Child.serve(...serve),
    (server) => LoadGenerator.echo(server, load, seconds === undefined ? window : { ...window, seconds })
  )

const counts = [1, 10, 100, 1000, 10_000]
const connectionsOf = (count: number) => `${count} connection${count === 1 ? "" : "s"}`

/** The same load in all: a frame every 100 us on one connection, or one a second on each of 10,000. */
const connections = (name: string, serve: Serve): Case => ({
  suite: "scale",
  name: `connections, ${name}`,
  base: connectionsOf(1),
  peers: Object.fromEntries(
    counts.map((count) => [connectionsOf(count), asked(serve, { connections: count, size: 256, rate: 10_000 })])
  ),
  shows: ["cpu", "p50", "p99", "peak"],
  asks: "open"
})

const sizes = [["16 B", 16], ["256 B", 256], ["4 KiB", 4096], ["64 KiB", 65_536]] as const

/** 64 KiB in flight on each connection, in frames of whatever size. */
const bytes = (name: string, serve: Serve): Case => ({
  suite: "scale",
  name: `bytes, ${name}`,
  base: "16 B",
  peers: Object.fromEntries(
    sizes.map(([title, size]) => [title, asked(serve, { connections: 64, depth: 65_536 / size, size })])
  ),
  shows: ["cpuPerByte", "megabytesPerSecond", "cpu", "peak"]
})

// The slowest machine has done ten million in this time; the window ends when they are done.
const patience = 50

const frames: Case = {
  suite: "scale",
  name: "frames on one connection",
  base: "1 million",
  peers: Object.fromEntries([1, 10].map((million) => [
    `${million} million`,
    asked(["framed-respond"], { depth: 128, size: 16, frames: million * 1e6 }, patience)
  ])),
  shows: ["peak", "cpu", "perSecond"]
}

const gibibyte = 1_073_741_824

const streamed = (size: number): Peer => () =>
  Effect.flatMap(
    Child.serve("streamed"),
    (server) =>
      LoadGenerator.measure(server, Child.node("clients/streamed.ts", ...[server.port, size, gibibyte].map(String)))
  )

const long: Case = {
  suite: "scale",
  name: "1 GiB streamed",
  base: "in frames of 1 MiB",
  peers: { "in frames of 1 MiB": streamed(1_048_576), "in one frame": streamed(gibibyte) },
  shows: ["peak", "cpuPerByte", "megabytesPerSecond"],
  asks: "client"
}

export const cases: ReadonlyArray<Case> = [
  connections("respond", ["framed-respond"]),
  connections("by hand", ["framed-node"]),
  bytes("batch", ["framed-batch"]),
  bytes("respond", ["framed-respond"]),
  bytes("by hand", ["framed-node"]),
  frames,
  long
]

type Row = readonly [name: string, peer: string, base: string, figure: Target["figure"]]

// Flat is within 15 %: a byte in a longer frame costs no more than one in the next shorter.
const flat: ReadonlyArray<Row> = [
  ...counts.slice(1).map((count): Row => ["connections, respond", connectionsOf(count), connectionsOf(1), "cpu"]),
  ...["batch", "respond"].flatMap((name) =>
    sizes.slice(1).map(([size], i): Row => [`bytes, ${name}`, size, sizes[i]![0], "cpuPerByte"])
  ),
  ["frames on one connection", "10 million", "1 million", "peak"],
  ["frames on one connection", "10 million", "1 million", "cpu"],
  ["1 GiB streamed", "in one frame", "in frames of 1 MiB", "peak"]
]

/** For `targets.ts`: `...Scale.targets`. */
export const targets: ReadonlyArray<Target> = flat.map(([name, peer, base, figure]) => ({
  issue: "7",
  suite: "scale",
  name,
  peer,
  base,
  figure,
  ratio: 1.15,
  noise: 0.05
}))
