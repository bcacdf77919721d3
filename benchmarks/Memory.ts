// Bytes to messages and back in memory: no socket, no clock but the one that measures.
import * as Effect from "effect/Effect"
import * as Child from "./Child.ts"
import type { Figures } from "./Figure.ts"
import { decoders } from "./memory/decoders.ts"
import { encoders } from "./memory/encoders.ts"
import type { Kind } from "./memory/Material.ts"
import type { Case } from "./Suite.ts"

type Way = "decode" | "encode"

const peersOf = { decode: decoders, encode: encoders }

// The first of each is the loop by hand.
const make = (suite: Way, title: string, kind: Kind, size: number): Case => {
  const names = Object.keys(peersOf[suite][kind] ?? {})
  return {
    suite,
    name: `${title} ${size} B`,
    base: names[0] ?? "",
    peers: Object.fromEntries(names.map((name) => [name, ({ seconds, warmup }) =>
      Effect.gen(function*() {
        const args = [suite, kind, size, name, seconds, warmup].map(String)
        const child = yield* Child.start(Child.node("memory/main.ts", ...args), Child.cores.server)
        const [text] = yield* child.line(/^\{.*\}$/)
        return JSON.parse(text) as Figures
      })]
    )),
    shows: ["nanos", "cpu", "peak"]
  }
}

const both = (title: string, kind: Kind, size: number) =>
  (["decode", "encode"] as const).map((way) => make(way, title, kind, size))

export const cases: ReadonlyArray<Case> = [
  ...both("u32be", "frames", 16),
  ...both("u32be", "frames", 64),
  ...both("u32be", "frames", 1024),
  ...both("lines", "lines", 64),
  ...both("json lines", "json", 64),
  make("decode", "json strings", "strings", 64)
].toSorted((a, b) => a.suite.localeCompare(b.suite))
