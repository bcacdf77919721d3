// The load generator where there is no C compiler: the options, the words and the exit codes of loadgen.c, some five
// times slower, so that it may be what is measured.
import { readFileSync } from "node:fs"
import * as Net from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"

const exits = { usage: 2, mismatch: 3, unanswered: 4 }
const patience = 15_000

const die = (code: number, text: string): never => {
  console.error(`loadgen: ${text}`)
  process.exit(code)
}

const option = (short: string, fallback: string) => ({ type: "string", short, default: fallback }) as const
const { values } = parseArgs({
  options: {
    mode: option("m", "echo"),
    port: option("p", "0"),
    connections: option("c", "1"),
    depth: option("d", "1"),
    size: option("s", "16"),
    framing: option("f", "u32be"),
    exchange: option("x", ""),
    seconds: option("t", "3"),
    most: option("n", "Infinity"),
    warmup: option("w", "1"),
    rate: option("r", "0"),
    idle: { type: "boolean", short: "i", default: false }
  }
})
const [port, connections, depth, size, seconds, most, warmup, rate] = [
  values.port,
  values.connections,
  values.depth,
  values.size,
  values.seconds,
  values.most,
  values.warmup,
  values.rate
].map(Number) as [number, number, number, number, number, number, number, number]
if (!(port > 0 && connections > 0 && depth > 0 && seconds > 0 && most > 0 && warmup >= 0 && rate >= 0)) {
  die(exits.usage, "-p has to be a port; -c, -d, -t and -n more than 0; -w and -r not less")
}
if (values.framing !== "u32be" && values.framing !== "lines") die(exits.usage, "-f is u32be or lines")

const behindLength = (bytes: Uint8Array): Buffer => {
  const framed = Buffer.alloc(4 + bytes.length)
  framed.writeUInt32BE(bytes.length)
  framed.set(bytes, 4)
  return framed
}

const generated = (): ReadonlyArray<Buffer> =>
  Array.from({ length: Math.max(8, Math.ceil(262_144 / (size + 4))) }, () => {
    const random = Uint8Array.from({ length: size }, () => Math.floor(Math.random() * 256))
    return values.framing === "u32be"
      ? behindLength(random)
      : Buffer.from([...random.map((byte) => 97 + byte % 26), 10])
  })

const exchanged = (path: string): ReadonlyArray<Buffer> => {
  const bytes = readFileSync(path)
  const messages: Array<Buffer> = []
  for (let at = 0; at < bytes.length;) {
    const end = at + 4 + bytes.readUInt32BE(at)
    messages.push(bytes.subarray(at + 4, end))
    at = end
  }
  return messages
}

const messages = values.exchange === "" ? generated() : exchanged(values.exchange)
const requests = values.exchange === "" ? messages : messages.filter((_, i) => i % 2 === 0)
const answers = values.exchange === "" ? messages : messages.filter((_, i) => i % 2 === 1)
if (requests.length === 0 || requests.length !== answers.length) die(exits.usage, "not as many answers as requests")
// Twice, so that what begins anywhere in the first cycle is in one piece.
const wanted = Buffer.concat([...answers, ...answers])
const cycle = wanted.length / 2
let total = 0
const ends = answers.map((answer) => total += answer.length)

const latencies: Array<number> = []
let windowFrom = Infinity
let windowTo = Infinity
let frames = 0
let bytes = 0

class Line {
  readonly socket: Net.Socket
  issued = 0
  answered = 0
  // When each frame that waits for its answer was sent, in order; in an open loop, when it was due.
  readonly #times: Array<number> = []
  #at = 0
  #next = 0

  constructor(onAnswers: (line: Line, count: number) => void) {
    this.socket = Net.connect({ host: "127.0.0.1", port, noDelay: true })
    this.socket.on("error", ({ message }) => die(exits.unanswered, message))
    this.socket.on("end", () => die(exits.unanswered, "the server closed a connection"))
    this.socket.on("data", (chunk) => {
      const count = this.#take(chunk as Buffer)
      if (count > 0) onAnswers(this, count)
    })
  }

  issue(times: ReadonlyArray<number>): void {
    this.#times.push(...times)
    this.socket.write(Buffer.concat(times.map((_, i) => requests[(this.issued + i) % requests.length]!)))
    this.issued += times.length
  }

  #take(chunk: Buffer): number {
    const now = performance.now()
    if (now >= windowFrom && now < windowTo) bytes += chunk.length
    let count = 0
    for (let done = 0; done < chunk.length;) {
      const piece = Math.min(chunk.length - done, cycle)
      if (chunk.compare(wanted, this.#at, this.#at + piece, done, done + piece) !== 0) {
        die(exits.mismatch, `mismatch in message ${this.#next} of the cycle`)
      }
      done += piece
      let to = this.#at + piece
      while (ends[this.#next]! <= to) {
        count++
        this.#next++
        if (this.#next < answers.length) continue
        this.#next = 0
        to -= cycle
      }
      this.#at = to
    }
    if (count > this.issued - this.answered) die(exits.mismatch, "more answers than requests")
    this.answered += count
    for (const from of this.#times.splice(0, count)) {
      const counted = rate > 0 ? from >= windowFrom && from < windowTo : now >= windowFrom && now < windowTo
      if (!counted) continue
      frames++
      latencies.push(now - from)
    }
    return count
  }
}

/** Opens the window, waits for its end, and says what was seen in it. `settled` comes before the report. */
const measure = async (settled: () => Promise<void>) => {
  await sleep(warmup * 1e3)
  console.log("MEASURE")
  const cpu = process.cpuUsage()
  windowFrom = performance.now()
  // Whatever is late for it belongs to what comes after.
  windowTo = windowFrom + seconds * 1e3
  const isOver = () => frames >= most || performance.now() >= windowTo
  // The end can come between the two: Node prints a warning for a time below 0.
  while (!isOver()) await sleep(Math.max(0, Math.min(10, windowTo - performance.now())))
  windowTo = Math.min(windowTo, performance.now())
  const elapsed = (windowTo - windowFrom) / 1e3
  const { system, user } = process.cpuUsage(cpu)
  console.log("STOP")
  await settled()
  if (frames === 0) die(exits.unanswered, "no answer in the whole window")
  if (Number.isFinite(most) && frames < most) die(exits.unanswered, `${frames} frames in the whole window`)
  latencies.sort((a, b) => a - b)
  const micros = (quantile: number) => 1e3 * latencies[Math.floor(quantile * (frames - 1))]!
  const [p50, p99, p999, max] = [micros(0.5), micros(0.99), micros(0.999), micros(1)]
  const load = (system + user) / 1e6 / elapsed
  console.log(JSON.stringify({ frames, seconds: elapsed, bytes, p50, p99, p999, max, load }))
  process.exit(0)
}

const echo = async () => {
  const opened = performance.now()
  const lines = Array.from({ length: connections }, () =>
    new Line((line, count) => {
      const now = performance.now()
      if (rate === 0 && now < windowTo) line.issue(Array.from({ length: count }, () => now))
    }))
  if (rate === 0) { for (const line of lines) line.issue(Array.from({ length: depth }, () => opened)) }
  // Open loop: frame `number` of a connection is due then, whatever the server does.
  const due = (index: number, number: number) => opened + (number * connections + index) / rate * 1e3
  const issueDue = () => {
    const now = performance.now()
    // Of the last turn all that was due in the window, though the turn is later.
    const until = Math.min(now, windowTo - 1e-6)
    for (const [index, line] of lines.entries()) {
      const times: Array<number> = []
      for (let at = due(index, line.issued); at <= until; at = due(index, line.issued + times.length)) times.push(at)
      if (times.length > 0) line.issue(times)
    }
    if (now >= windowTo) return
    if (values.idle) setTimeout(issueDue, 1)
    else setImmediate(issueDue)
  }
  if (rate > 0) issueDue()
  await measure(async () => {
    if (rate > 0) issueDue()
    const until = performance.now() + patience
    while (lines.some((line) => line.answered < line.issued)) {
      if (performance.now() > until) die(exits.unanswered, `requests without an answer after ${patience} ms`)
      await sleep(10)
    }
  })
}

const answeredOnce = () =>
  new Promise<Line>((resolve) => {
    const line = new Line(resolve)
    line.issue([performance.now()])
  })

const idle = async () => {
  for (let i = 0; i < connections; i++) await answeredOnce()
  console.log("READY")
  process.stdin.resume().on("end", () => {
    console.log(JSON.stringify({ connections }))
    process.exit(0)
  })
}

const accept = async () => {
  const visiting = async () => {
    while (performance.now() < windowTo) (await answeredOnce()).socket.destroy()
  }
  for (let i = 0; i < connections; i++) void visiting()
  await measure(() => Promise.resolve())
}

const modes: Readonly<Record<string, () => Promise<void>>> = { echo, idle, accept }
await (modes[values.mode] ?? (() => die(exits.usage, "-m is echo, idle or accept")))()
