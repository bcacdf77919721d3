// What reading costs: bytes looked at, held, and asked for.
import * as ByteReader from "../../ByteReader.ts"
import { allocated } from "./allocated.ts"
import { concat, fillers, inChunks, repeat } from "./bytes.ts"
import { CountingReader } from "./CountingReader.ts"
import { fail, type Subject } from "./subject.ts"
import { show, trial } from "./trial.ts"

// How long the shorter of two streams is whose work is compared, and what the longer one may take.
const base = 2048
const growth = 2.5

// What is never too much to allocate, as for the joining of small chunks.
const spared = 65_536

// Up to here every byte is tried.
const smallLimit = 4096

export const costLaws = <In, Out>(it: Subject<In, Out>): Record<string, (law: string) => void> => ({
  "twice the bytes are twice the work": (law) => {
    const visits = (chunks: Iterable<Uint8Array>) => {
      const reader = new CountingReader()
      const { feed } = trial(it.codec, reader)
      for (const chunk of chunks) {
        if (!feed(chunk)) break
      }
      return reader.visits
    }
    const compare = (what: string, stream: (scale: number) => Uint8Array) => {
      for (const [how, size] of [["byte by byte", 1], ["in one chunk", Infinity]] as const) {
        const [once = 0, twice = 0] = [1, 2].map((scale) => {
          const bytes = stream(scale)
          return visits(inChunks(bytes, Math.min(size, bytes.length)))
        })
        // A frame that is whole only then is looked at once more.
        if (twice > growth * once + 4 * stream(2).length) {
          fail(law, `${what} ${how}: ${once} bytes are looked at, and ${twice} when it is twice as long`)
        }
      }
    }

    const repeated = (what: string, bytes: Uint8Array) =>
      compare(what, (scale) => repeat(bytes, scale * Math.ceil(base / bytes.length)))
    repeated("all messages", concat(it.frames(law).map(({ bytes }) => bytes)))
    for (const filler of fillers) repeated(`the byte ${filler}`, Uint8Array.of(filler))
    for (const stream of it.streams ?? []) {
      if (stream.length > 0) repeated(show(stream), stream)
    }
    const size = Math.min(base, Math.floor(it.codec.limit / 2))
    const unfinished = [1, 2].map((scale) => it.frameOf(scale * size)?.bytes.slice(0, -1))
    compare("an unfinished frame", (scale) => unfinished[scale - 1] ?? new Uint8Array(0))
  },

  "an unfinished frame holds the limit and a header at most": (law) => {
    const bound = it.codec.limit + (it.header ?? 16)
    const begun = it.frameOf(Math.min(it.codec.limit, spared))?.bytes
    const endless = (what: string, beginning: Uint8Array, filler: number) => {
      const { feed, reader } = trial(it.codec)
      const chunk = new Uint8Array(61).fill(filler)
      if (!feed(beginning)) return
      for (let fed = 0; fed <= Math.min(bound + 2 * base, 2 * spared); fed += chunk.length) {
        if (!feed(chunk.slice())) return
        if (reader.length > bound) fail(law, `${what}: ${reader.length} bytes wait, where ${bound} are allowed`)
      }
    }
    const bytes = it.codec.limit > smallLimit ? fillers : Array.from({ length: 256 }, (_, byte) => byte)
    for (const filler of bytes) {
      endless(`the byte ${filler} for ever`, new Uint8Array(0), filler)
      if (begun !== undefined) {
        const half = begun.slice(0, begun.length >> 1)
        endless(`half a frame, then the byte ${filler} for ever`, half, filler)
      }
    }
    for (const stream of it.streams ?? []) endless(`${show(stream)}, then zeros for ever`, stream, 0)
  },

  "nothing is allocated for bytes that have not come": (law) => {
    const measure = (bytes: Uint8Array) => {
      const reader = ByteReader.make()
      const { feed } = trial(it.codec, reader)
      const asked = allocated(() => void feed(bytes))
      if (asked > spared + 4 * bytes.length) fail(law, `${show(bytes)}: ${asked} bytes are asked for`)
    }
    const large = it.frameOf(Math.min(it.codec.limit, 16 * spared))?.bytes ?? new Uint8Array(0)
    for (let have = 1; have < Math.min(64, large.length); have++) measure(large.slice(0, have))
    for (const filler of fillers) measure(new Uint8Array(16).fill(filler))
    for (const stream of it.streams ?? []) measure(stream)
    const next = it.random()
    for (let turn = 0; turn < 1000; turn++) measure(Uint8Array.from({ length: 16 }, () => next(256) & next(256)))
  }
})
