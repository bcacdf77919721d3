// Threads for what one event loop cannot show: a listener that accepts nobody, and clients that connect while this
// process does not turn its loop.
import type { Address } from "@framewire/core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Worker } from "node:worker_threads"

const worker = (source: string, workerData: unknown): Effect.Effect<Worker, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      new Worker(
        `const Net = require("node:net"); const { parentPort, workerData } = ` +
          `require("node:worker_threads"); ${source}`,
        { eval: true, workerData }
      )
    ),
    (worker) => Effect.promise(() => worker.terminate())
  )

const message = <A>(worker: Worker): Effect.Effect<A> =>
  Effect.callback((resume) => {
    worker.once("message", (value: A) => resume(Effect.succeed(value)))
    worker.once("error", (error) => resume(Effect.die(error)))
  })

const blocked = (host: string): Effect.Effect<Address.TcpAddress, never, Scope.Scope> =>
  Effect.gen(function*() {
    const thread = yield* worker(
      `const server = Net.createServer().listen({ port: 0, host: workerData, backlog: 1 }, () => {
         parentPort.postMessage(server.address().port)
         Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
       })`,
      host
    )
    return { host: "127.0.0.1", port: yield* message<number>(thread) }
  })

/**
 * A listener whose loop is blocked. The kernel completes two connections for a backlog of 1; the SYN of the third it
 * drops, so that nothing answers it.
 */
export const listener: Effect.Effect<Address.TcpAddress, never, Scope.Scope> = blocked("127.0.0.1")

/** The same, on every address of 127.0.0.0/8 at once. */
export const everywhere: Effect.Effect<Address.TcpAddress, never, Scope.Scope> = blocked("0.0.0.0")

/** Clients that all connect, and all send, while this thread's loop stands still; each then tells how it ended. */
export const clients = (
  address: Address.TcpAddress,
  count: number
): Effect.Effect<{ readonly outcomes: Effect.Effect<ReadonlyArray<string>> }, never, Scope.Scope> =>
  Effect.gen(function*() {
    const connected = new Int32Array(new SharedArrayBuffer(4))
    const thread = yield* worker(
      `const { address, count, connected } = workerData
       const outcomes = []
       for (let id = 0; id < count; id++) {
         let text = ""
         const over = (how) => { outcomes.push(how); if (outcomes.length === count) parentPort.postMessage(outcomes) }
         const socket = Net.connect(address, () => socket.write("hello " + id, () => {
           if (Atomics.add(connected, 0, 1) === count - 1) Atomics.notify(connected, 0)
         }))
         socket.on("data", (chunk) => { text += chunk })
         socket.on("error", (error) => over(error.code))
         socket.on("end", () => over(text))
       }`,
      { address, count, connected }
    )
    // Listens from now on: the outcomes can be there before anybody asks.
    const outcomes = new Promise<ReadonlyArray<string>>((resolve) => thread.once("message", resolve))
    yield* Effect.sync(() => {
      const until = performance.now() + 5000
      for (let have = 0; have < count && performance.now() < until; have = Atomics.load(connected, 0)) {
        Atomics.wait(connected, 0, have, 100)
      }
    })
    return { outcomes: Effect.promise(() => outcomes) }
  })

/** Clients of another thread that come again as soon as they are served, until they are refused; then how they were, by count. */
export const flood = (
  address: Address.TcpAddress,
  count: number
): Effect.Effect<{ readonly tally: Effect.Effect<Readonly<Record<string, number>>> }, never, Scope.Scope> =>
  Effect.gen(function*() {
    const thread = yield* worker(
      `const { address, count } = workerData
       const tally = {}
       let open = count
       const visit = () => {
         let answered = false
         let how = "lost"
         const socket = Net.connect(address)
         // Whose last ACK a full queue has dropped hears RST only when it says something.
         socket.on("connect", () => socket.write("?"))
         socket.on("data", () => { answered = true })
         socket.on("error", ({ code }) => { how = code })
         socket.on("close", () => {
           if (answered) how = "answered"
           tally[how] = (tally[how] ?? 0) + 1
           if (answered) setImmediate(visit)
           else if (--open === 0) parentPort.postMessage(tally)
         })
       }
       for (let i = 0; i < count; i++) visit()`,
      { address, count }
    )
    const tally = new Promise<Readonly<Record<string, number>>>((resolve) => thread.once("message", resolve))
    return { tally: Effect.promise(() => tally) }
  })
