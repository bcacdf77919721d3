// Runs one peer in a process of its own, so that no other peer has shaped the machine code that it runs on:
// main.ts decode|encode KIND SIZE PEER SECONDS WARM-UP prints a line of JSON. Before that, but after the clock has
// stopped, the frames are compared with those that went in.
import type { Figures } from "../Figure.ts"
import * as Usage from "../Usage.ts"
import { decoders, type Sink } from "./decoders.ts"
import { encoders } from "./encoders.ts"
import { chunksOf, digest, type Kind, messagesOf, payloadsOf } from "./Material.ts"

const [way, kind, size, name, seconds, warmup] = process.argv.slice(2)
const messages = messagesOf(kind as Kind, Number(size))
const batchSize = 128

interface Job {
  /** The whole material once. */
  readonly pass: () => void | Promise<void>
  /** The frames of one more pass. */
  readonly frames: () => Promise<ReadonlyArray<unknown>>
}

const peerOf = <A>(peers: Readonly<Record<string, Readonly<Record<string, A>>>>): A => {
  const peer = peers[kind ?? ""]?.[name ?? ""]
  if (peer === undefined) throw new Error(`no peer ${name} for ${way} ${kind}`)
  return peer
}

// Something has to depend on the work, or it may be left out.
let seen = 0

const decoding = (): Job => {
  const { run, wire } = peerOf(decoders)
  const chunks = chunksOf(messages, kind as Kind, wire)
  const counting: Sink = {
    frame: () => void seen++,
    batch: (frames) => void (seen += frames.length),
    view: (_, start, end) => void (seen += end - start)
  }
  return {
    pass: () => run(chunks, counting),
    frames: async () => {
      const all: Array<unknown> = []
      const frame = (it: unknown) => void all.push(it)
      await run(chunks, {
        frame,
        batch: (frames) => frames.forEach(frame),
        view: (chunk, start, end) => frame(chunk.slice(start, end))
      })
      return all
    }
  }
}

const encoding = (): Job => {
  const { run, wire } = peerOf(encoders)
  const batches: Array<ReadonlyArray<unknown>> = []
  for (let at = 0; at < messages.length; at += batchSize) batches.push(messages.slice(at, at + batchSize))
  return {
    pass: () => run(batches, (bytes) => void (seen += bytes.length)),
    frames: async () => {
      const written: Array<Uint8Array> = []
      await run(batches, (bytes) => void written.push(bytes))
      return payloadsOf(Buffer.concat(written), wire)
    }
  }
}

const { frames, pass } = way === "encode" ? encoding() : decoding()

const runFor = async (millis: number) => {
  const from = performance.now()
  let passes = 0
  let elapsed = 0
  do {
    const waited = pass()
    // One that is synchronous does not pay for a turn of the loop.
    if (waited !== undefined) await waited
    passes++
    elapsed = performance.now() - from
  } while (elapsed < millis)
  return { elapsed, count: passes * messages.length }
}

await runFor(1000 * Number(warmup))
const heldUpBefore = Usage.isKnown ? Usage.time(process.pid).heldUp : undefined
const before = process.cpuUsage()
const { count, elapsed } = await runFor(1000 * Number(seconds))
const { system, user } = process.cpuUsage(before)
const waited = heldUpBefore === undefined ? undefined : Usage.time(process.pid).heldUp - heldUpBefore
const peak = 1024 * process.resourceUsage().maxRSS
if (seen === 0) throw new Error("nothing was decoded")
if (digest(await frames()) !== digest(messages)) throw new Error("other frames than went in")
const figures: Figures = {
  nanos: elapsed * 1e6 / count,
  cpu: (user + system) / count,
  peak: peak / 1e6,
  ...waited !== undefined && { heldUp: Math.max(0, waited) / elapsed * 1e3 }
}
console.log(JSON.stringify(figures))
