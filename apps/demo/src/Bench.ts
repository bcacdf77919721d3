import { Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { BenchHistogram } from "./BenchHistogram.ts"
import * as BenchLine from "./BenchLine.ts"
import * as CommandError from "./CommandError.ts"
import * as Options from "./Options.ts"

const variants = 16
const inFlightBytes = 268_435_456
const patience = "5 seconds"

const option = Options.of("bench")
const number = (name: string, fallback: number, description: string) =>
  option.int(name, { metavar: "N", description, fallback })

const flags = {
  address: Options.address,
  framing: Options.framing,
  connections: number("connections", 10, "Connections, 1 to 10000"),
  depth: number("depth", 1, "Frames in flight on each, 1 to 10000"),
  size: number("size", 64, "Bytes of a frame's payload"),
  rate: option.int("rate", {
    metavar: "N",
    description:
      "Frames a second in all, whatever the server does, instead of one for each answer: a frame's latency counts from " +
      "when it was due. At most 10000 are in flight on a connection, --depth does not matter"
  }).pipe(Flag.optional),
  duration: number("duration", 10, "Seconds that are measured, 1 to 3600; a warm-up of one second comes before"),
  json: option.toggle("json", { description: "One JSON object, for programs", fallback: false })
}

const micros = (value: number) =>
  value < 1000
    ? `${value.toFixed(0)} us`
    : value < 1e6
    ? `${(value / 1e3).toFixed(1)} ms`
    : `${(value / 1e6).toFixed(1)} s`

/** Letters, which most framings take as they are. */
const payloadsOf = (size: number) =>
  Array.from(
    { length: variants },
    (_, variant) => Uint8Array.from({ length: size }, (_, index) => 97 + (variant * 7 + index * (variant + 1)) % 26)
  )

const shares = { p50: 0.5, p90: 0.9, p99: 0.99, p999: 0.999 }

const reportOf = (histogram: BenchHistogram, seconds: number, size: number) => ({
  frames: histogram.count,
  seconds,
  perSecond: histogram.count / seconds,
  megabytesPerSecond: histogram.count * size / seconds / 1e6,
  latencyMicros: {
    ...Object.fromEntries(Object.entries(shares).map(([name, share]) => [name, histogram.percentile(share)])),
    max: histogram.max
  },
  histogram: histogram.rows
})

const printed = (
  { frames, histogram, latencyMicros, megabytesPerSecond, perSecond, seconds }: ReturnType<typeof reportOf>
) => {
  const most = Math.max(...histogram.map(({ count }) => count), 1)
  return [
    `${frames} frames in ${seconds} s: ${perSecond.toFixed(0)} a second, ${
      megabytesPerSecond.toFixed(1)
    } MB/s of payload each way`,
    Object.entries(latencyMicros).map(([name, value]) => `${name} ${micros(value)}`).join("  "),
    ...histogram.map(({ count, upTo }) =>
      `${`< ${micros(upTo)}`.padStart(12)}  ${String(count).padStart(10)}  ${"#".repeat(Math.ceil(40 * count / most))}`
    )
  ].join("\n")
}

const between = (name: string, value: number, from: number, to: number) =>
  value >= from && value <= to ? Effect.void : CommandError.usage(`--${name}: ${from} to ${to}`)

export const bench = Command.make(
  "bench",
  flags,
  Effect.fnUntraced(
    function*({ address, connections, duration, framing: spec, json, rate: asked, size, ...options }) {
      const framing = yield* Options.parseFraming(spec)
      const remote = yield* Options.parseAddress(address)
      const rate = Option.getOrUndefined(asked)
      yield* between("connections", connections, 1, 10_000)
      yield* between("depth", options.depth, 1, 10_000)
      yield* between("duration", duration, 1, 3600)
      yield* between("size", size, 0, framing.limit)
      if (rate !== undefined) yield* between("rate", rate, 1, 10_000_000)
      const depth = rate === undefined
        ? options.depth
        : Math.max(1, Math.min(10_000, Math.floor(inFlightBytes / (connections * Math.max(1, size)))))
      if (connections * depth * size > inFlightBytes) {
        return yield* CommandError.usage(
          `more than ${inFlightBytes} bytes would be in flight: less of --connections, --depth or --size`
        )
      }

      const made = yield* Effect.forEach(
        Array.from({ length: connections }),
        () => Effect.mapError(Transport.connect(remote), CommandError.failure),
        { concurrency: 64 }
      )
      const histogram = new BenchHistogram()
      const now = () => performance.now()
      const began = now()
      const from = began + 1000
      const until = from + duration * 1000
      const load: BenchLine.Load = {
        framing,
        payloads: payloadsOf(size),
        depth,
        until,
        now,
        answered: (due, time) => {
          const at = rate === undefined ? time : due
          if (at >= from && at < until) histogram.add((time - due) * 1000)
        }
      }
      const lines = made.map((connection) => BenchLine.make(connection, load))
      const running = Effect.forEach(
        lines,
        (line, index) =>
          rate === undefined ? line.closed : line.open((frame) => began + (frame * connections + index) / rate * 1000),
        { concurrency: "unbounded", discard: true }
      )
      const progress = process.stderr.isTTY
        ? Effect.forever(Effect.andThen(
          Effect.sleep("250 millis"),
          Effect.sync(() => {
            const seconds = Math.max(0, (now() - from) / 1000)
            const done = Math.round(20 * Math.min(1, seconds / duration))
            process.stderr.write(
              `\r[${"#".repeat(done).padEnd(20)}] ${seconds.toFixed(1)} of ${duration} s, ${histogram.count} frames `
            )
          })
        ))
        : Effect.never
      const measured = Effect.gen(function*() {
        yield* Effect.sleep(until - now())
        yield* Effect.timeoutOption(
          Effect.forEach(lines, ({ settled }) => settled, { concurrency: "unbounded", discard: true }),
          patience
        )
      })
      yield* Effect.raceFirst(measured, Effect.raceFirst(running, progress)).pipe(
        // All at once, since a server that has stopped answering keeps each of them for its linger.
        Effect.ensuring(Effect.forEach(made, (connection) => connection.close({ linger: "1 second" }), {
          concurrency: "unbounded",
          discard: true
        })),
        Effect.ensuring(Effect.sync(() => process.stderr.isTTY && process.stderr.write("\r\u001b[K")))
      )

      const report = reportOf(histogram, duration, size)
      yield* Console.log(json ? JSON.stringify(report) : printed(report))
      const missing = lines.reduce((sum, line) => sum + line.missing, 0)
      if (missing > 0) return yield* CommandError.failure({ message: `frames without an answer: ${missing}` })
      if (histogram.count === 0) return yield* CommandError.failure({ message: "no frame came back" })
    },
    Effect.scoped,
    Effect.provide(NodeTransport.layer)
  )
).pipe(Command.withDescription("Load a server that echoes frames, look at every answer, and tell how long they took"))
