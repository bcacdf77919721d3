// What a batch of frames costs, in counts and not in time: they do not depend on the machine's mood, and grow where the work
// does.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { once } from "node:events"
import { connect } from "node:net"
import { join } from "node:path"
import type { Counts } from "./support/counted.ts"
import * as Process from "./support/Process.ts"

const frames = 100
const payload = 196
const batch = Buffer.concat(Array.from({ length: frames }, (_, i) => {
  const frame = Buffer.alloc(4 + payload, i)
  frame.writeUInt32BE(payload)
  return frame
}))

/** A connection on which so many batches go there and back, each when the one before is back: one read each. */
const connected = (port: number) =>
  Effect.gen(function*() {
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => connect({ host: "127.0.0.1", port, noDelay: true })),
      (socket) => Effect.sync(() => socket.destroy())
    )
    let back = 0
    let next = () => {}
    socket.on("data", (chunk: Buffer) => {
      assert.isTrue(chunk.equals(batch.subarray(back, back + chunk.length)))
      back = (back + chunk.length) % batch.length
      if (back === 0) next()
    })
    yield* Effect.promise(() => once(socket, "connect"))
    return (batches: number) =>
      Effect.callback<void>((resume) => {
        let left = batches
        next = () => {
          if (left-- > 0) socket.write(batch)
          else resume(Effect.void)
        }
        next()
      })
  })

/** What it took, once all is compiled and at its size. `bare` is without the spies, which make objects themselves. */
const counted = (kind: string, how: "spied" | "bare", batches: number) =>
  Effect.gen(function*() {
    const program = join(import.meta.dirname, "support", "counted.ts")
    const server = yield* Process.start(process.execPath, [
      "--conditions=@framewire/source",
      // When code is compiled decides what it allocates: that is not to depend on another thread.
      "--no-concurrent-recompilation",
      program,
      kind,
      how
    ])
    const [, port] = yield* server.printed(/^listening (\d+)$/m)
    const exchange = yield* connected(Number(port))
    yield* exchange(batches)
    yield* server.write("\n")
    yield* server.printed(/^counting$/m)
    yield* exchange(batches)
    yield* server.write("\n")
    const [text] = yield* server.printed(/^\{.*\}$/m)
    return JSON.parse(text) as Counts
  }).pipe(Effect.scoped)

interface Bounds {
  /** Effects that the runtime evaluates, and fibers that it starts, for a batch of 100 frames. */
  readonly effects: number
  readonly fibers: number
  /** Times that a byte of the payload is copied. */
  readonly copies: number
}

// What is counted today. A change that needs more of it says here that it does, and why it has to.
const bounds: Readonly<Record<string, Bounds>> = {
  // Decoded where the bytes lie; encoded once.
  batch: { effects: 0, fibers: 0, copies: 1 },
  // Taken from the platform's buffer, because a fiber may look at them later; then as above.
  pull: { effects: 12, fibers: 0, copies: 2 },
  respond: { effects: 0, fibers: 0, copies: 2 },
  // A fiber a batch. Five Effects a frame, of which the handler's are three.
  "respond-generator": { effects: 515, fibers: 1, copies: 2 },
  "respond-suspend": { effects: 315, fibers: 1, copies: 2 }
}

// 195 to 205 and 225 to 235 today: `respond` gathers answers, to encode them together.
const objects = { batch: 230, respond: 260 }

const [few, many] = [100, 500]

describe("a batch of 100 frames is echoed", () => {
  for (const [kind, { copies, effects, fibers }] of Object.entries(bounds)) {
    it.live(`${kind}: by one write, ${effects} Effects, ${fibers} fibers, each byte copied ${copies} times`, () =>
      Effect.gen(function*() {
        const counts = yield* counted(kind, "spied", few)
        assert.isAtLeast(counts.writes, few)
        // A batch may come in two pieces now and then.
        assert.isAtMost(counts.writes, 1.1 * few)
        // A server has a clock, too, whose ticks do not count batches.
        assert.isAtMost(counts.effects, 1.1 * effects * few + 0.2 * few)
        assert.isAtMost(counts.fibers, 1.1 * fibers * few + 0.05 * few)
        const payloads = few * frames * payload
        assert.isAtLeast(counts.copied, payloads)
        assert.isAtMost(counts.copied, 1.05 * copies * payloads)
      }))
  }

  for (const [kind, bytes] of Object.entries(objects)) {
    it.live(`${kind}: of a frame V8 makes ${bytes} bytes of objects at most: a view of it, and its place in the batch`, () =>
      Effect.gen(function*() {
        const { allocated } = yield* counted(kind, "bare", many)
        assert.isAbove(allocated, 100 * many * frames)
        assert.isAtMost(allocated, bytes * many * frames)
      }))
  }
})
