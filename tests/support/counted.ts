// node counted.ts batch|pull|respond|respond-generator|respond-suspend spied|bare: echoes u32be frames, and counts what that
// takes. A line on its standard input begins the counting, a second one ends it.
import { type Connection, Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Framed, LengthPrefixed, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Scheduler from "effect/Scheduler"
import { Socket } from "node:net"
import { createInterface } from "node:readline"
import { getHeapStatistics } from "node:v8"

const [, , kind = "", how = ""] = process.argv

export interface Counts {
  /** Calls of the platform to write. */
  readonly writes: number
  /** Effects that the runtime evaluated, and fibers that it started. */
  readonly effects: number
  readonly fibers: number
  /** Bytes that the platform copied for us from memory to memory. */
  readonly copied: number
  /** Bytes that V8 made objects of. */
  readonly allocated: number
}

const counts = { writes: 0, effects: 0, fibers: 0, copied: 0, allocated: 0 }

/** Calls `seen` with what each call gets and gives, and whose it is. */
const spy = (of: object, name: string, seen: (args: ReadonlyArray<unknown>, given: unknown, self: unknown) => void) => {
  const original = Reflect.get(of, name) as (...args: ReadonlyArray<unknown>) => unknown
  Object.defineProperty(of, name, {
    configurable: true,
    writable: true,
    value(this: unknown, ...args: ReadonlyArray<unknown>) {
      const given = Reflect.apply(original, this, args)
      seen(args, given, this)
      return given
    }
  })
}

const sizeOf = (of: unknown): number => of instanceof Uint8Array ? of.length : 0

class Counting extends Scheduler.MixedScheduler {
  override shouldYield(fiber: Parameters<Scheduler.MixedScheduler["shouldYield"]>[0]): boolean {
    counts.effects++
    return super.shouldYield(fiber)
  }
}

const echo = (connection: Connection.Connection): Effect.Effect<void, unknown> => {
  const framed = Framed.make(connection, codec)
  return kind === "batch"
    ? framed.lendEach(framed.sendAllUnsafe)
    : Effect.forever(Effect.flatMap(framed.receiveAll, framed.sendAll), { disableYield: true })
}

const codec = LengthPrefixed.u32be()
const address = { host: "127.0.0.1", port: 0 }

const answers: Readonly<Record<string, (frame: Uint8Array) => Effect.Effect<Uint8Array>>> = {
  respond: Effect.succeed,
  "respond-generator": (frame) =>
    Effect.gen(function*() {
      return yield* Effect.sync(() => frame)
    }),
  "respond-suspend": (frame) => Effect.callback((resume) => queueMicrotask(() => resume(Effect.succeed(frame))))
}

const program = Effect.gen(function*() {
  const answer = answers[kind]
  const serving = answer === undefined
    ? yield* Transport.listen(address)
    : yield* Server.make({ address }, Server.respond(Protocol.symmetric(codec), answer))
  console.log(`listening ${"port" in serving.address ? serving.address.port : 0}`)
  if (!("accept" in serving)) return yield* Effect.never
  return yield* Effect.flatMap(serving.accept, echo)
})

// Spies make objects themselves.
if (how === "spied") {
  // Our standard output is a socket, too, and has no port.
  const isTcp = (of: unknown) => of instanceof Socket && of.localPort !== undefined
  for (const name of ["_write", "_writev"]) {
    spy(Socket.prototype, name, (_, __, self) => counts.writes += Number(isTcp(self)))
  }
  spy(Uint8Array.prototype, "set", ([source]) => counts.copied += sizeOf(source))
  for (const name of ["slice", "copyWithin"]) {
    spy(Uint8Array.prototype, name, (_, given) => counts.copied += sizeOf(given))
  }
  spy(Buffer.prototype, "copy", (_, given) => counts.copied += Number(given))
  for (const name of ["from", "concat", "copyBytesFrom"]) {
    spy(Buffer, name, ([source], given) => source instanceof ArrayBuffer || (counts.copied += sizeOf(given)))
  }
}

const fibers: Metric.FiberRuntimeMetricsService = { recordFiberStart: () => void counts.fibers++, recordFiberEnd() {} }

let begun: Counts | undefined
createInterface(process.stdin).on("line", () => {
  const now = { ...counts, allocated: getHeapStatistics().total_allocated_bytes }
  if (begun === undefined) {
    begun = now
    return console.log("counting")
  }
  const { allocated, copied, effects, fibers, writes } = begun
  const counted: Counts = {
    writes: now.writes - writes,
    effects: now.effects - effects,
    fibers: now.fibers - fibers,
    copied: now.copied - copied,
    allocated: now.allocated - allocated
  }
  console.log(JSON.stringify(counted))
}).on("close", () => process.exit(0))

void Effect.runPromise(program.pipe(
  Effect.scoped,
  Effect.provide(NodeTransport.layer),
  Effect.provideService(Scheduler.Scheduler, new Counting()),
  Effect.provideService(Metric.FiberRuntimeMetrics, fibers)
))
