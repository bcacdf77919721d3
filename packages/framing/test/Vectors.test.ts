import { assert, describe, it } from "@effect/vitest"
import { ByteReader, Codec, Decoder, FramingError, FramingSpec } from "@framewire/framing"
import * as Result from "effect/Result"
import { cuttings, encoded, hex, join, refusal, toHex } from "./support.ts"
import decodeVectors from "./vectors/decode.json" with { type: "json" }
import encodeVectors from "./vectors/encode.json" with { type: "json" }

// What other implementations do with the same bytes. Where we differ, this is what we give, and the rule that says so.
const rules = {
  over: "A frame over the limit is a FrameError, which ends the connection.",
  pending: "A pending delimiter prefix is not counted against the limit.",
  unfinished: "A limit is checked on finished and unfinished frames alike, and is inclusive.",
  empty: "Zero-length frames are frames.",
  truncated: "Truncation at the end of the stream is a typed Truncated, never silence.",
  tail: "The last line needs no end; a CR at the end of the stream belongs to its ending.",
  cr: "A lone CR is data.",
  bom: "A byte order mark is a character like any other.",
  text: "Text is decoded from whole frames.",
  refuse: "An encoder refuses what its own decoder would refuse."
} as const

const deviations: Readonly<Record<string, readonly [rule: keyof typeof rules, gives: ReadonlyArray<string>]>> = {
  "netty-lf-03": ["over", ["!FrameTooLong"]],
  "netty-lf-13": ["truncated", ["!Truncated"]],
  "netty-line-03": ["over", ["!FrameTooLong"]],
  "netty-line-05": ["over", ["!FrameTooLong"]],
  "netty-line-09": ["over", ["!FrameTooLong"]],
  "netty-line-13": ["pending", ["61626364", "7a"]],
  "netty-delim-11": ["pending", ["6162", "61", "62"]],
  "tokio-ld-21": ["truncated", ["!Truncated"]],
  "tokio-lines-01": ["tail", ["6c696e652031", "6c696e652032", "6c696e652033", "", ""]],
  "tokio-lines-11": ["over", ["!FrameTooLong"]],
  "tokio-lines-13": ["pending", ["61626364"]],
  "twisted-line-09": ["unfinished", ["!FrameTooLong"]],
  "twisted-lineonly-01": ["pending", ["61626364", "7a"]],
  "erl-31": ["tail", ["6162", "6364"]],
  "pekko-05": ["tail", ["492068617665206e6f20656e64"]],
  "effect-03": ["empty", ["31", "", "32"]],
  "effect-07": ["bom", ["efbbbf31"]],
  "effect-11": ["cr", ["61", "620d0d63"]],
  "npm-01": ["unfinished", ["!FrameTooLong"]],
  "npm-03": ["over", ["!FrameTooLong"]],
  "npm-06": ["text", ["c3a9"]],
  "npm-13": ["empty", ["", "61"]],
  "enc-erlang-01": ["refuse", ["!FrameTooLong"]]
}

interface Vector {
  readonly id: string
  readonly source: string
  readonly config: { readonly spec: string; readonly keepsEnding?: boolean; readonly text?: boolean }
  readonly chunks: ReadonlyArray<string>
  readonly eof: boolean
  readonly expect: ReadonlyArray<{ readonly frame?: string; readonly error?: string }>
}

const framingOf = (spec: string): Codec.Framing => Result.getOrThrow(FramingSpec.parse(spec)).framing

const decode = ({ config, eof }: Vector, chunks: ReadonlyArray<Uint8Array>): ReadonlyArray<string> => {
  const framing = framingOf(config.spec)
  const codec: Codec.Codec<unknown, never> = config.text === true ? Codec.text(framing) : framing
  const reader = ByteReader.make()
  const step = codec.decoder.start()
  const seen: Array<string> = []
  const run = (): boolean => {
    for (;;) {
      const messages: Array<unknown> = []
      const error = Decoder.run(step, reader, messages)
      seen.push(...messages.map((of) => toHex(of instanceof Uint8Array ? of : new TextEncoder().encode(String(of)))))
      if (error === undefined) return true
      seen.push(`!${error.reason._tag}`)
      if (error instanceof FramingError.FrameError) return false
    }
  }
  for (const chunk of chunks) {
    reader.push(chunk)
    if (!run()) return seen
  }
  if (eof) {
    reader.end()
    run()
  }
  return seen
}

describe("Vectors read", () => {
  const vectors: ReadonlyArray<Vector> = decodeVectors
  for (const vector of vectors) {
    const [rule, gives] = deviations[vector.id] ?? []
    it(`${vector.id} (${vector.source})${rule === undefined ? "" : `: ${rules[rule]}`}`, () => {
      const theirs = vector.expect.map(({ error, frame }) =>
        frame === undefined ? `!${error}` : vector.config.keepsEnding === true ? frame.replace(/(0d)?0a$/, "") : frame
      )
      if (gives !== undefined) assert.notDeepEqual(gives, theirs, "this is no deviation")
      const chunks = vector.chunks.map(hex)
      for (const cut of [chunks, ...cuttings(join(chunks))]) {
        assert.deepStrictEqual(decode(vector, cut), gives ?? theirs)
      }
    })
  }
})

describe("Vectors write", () => {
  /** Hex, or `10 x 01` for ten bytes 01. */
  const payloadOf = (text: string): Uint8Array => {
    const [, times, byte] = /^(\d+) x (..)$/.exec(text) ?? []
    return times === undefined ? hex(text) : new Uint8Array(Number(times)).fill(Number.parseInt(byte!, 16))
  }

  for (const { config, error, id, payload, source, wire } of encodeVectors) {
    const [rule, gives] = deviations[id] ?? []
    it(`${id} (${source})${rule === undefined ? "" : `: ${rules[rule]}`}`, () => {
      const framing = framingOf(config.spec)
      const written = refusal(framing, payloadOf(payload))
      if (gives !== undefined || error !== undefined) {
        assert.match(written ?? "written", new RegExp(gives?.[0]?.slice(1) ?? error!))
      } else {
        assert.strictEqual(toHex(encoded(framing, [payloadOf(payload)])), wire)
      }
    })
  }

  it("every deviation is one of a vector", () => {
    const ids = [...decodeVectors, ...encodeVectors].map(({ id }) => id)
    for (const id of Object.keys(deviations)) assert.include(ids, id)
  })
})
