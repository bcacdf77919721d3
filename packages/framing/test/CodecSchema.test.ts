// Frames by a schema: as JSON, and in the binary form.
import { assert, describe, it } from "@effect/vitest"
import { Codec, Decoder, FramingError, LengthPrefixed, Lines } from "@framewire/framing"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import {
  bytes,
  encoded,
  events,
  gives,
  hex,
  inChunks,
  join,
  random,
  readerOf,
  refusal,
  show,
  toHex
} from "./support.ts"

const person = Schema.Struct({ name: Schema.String, age: Schema.Int })
const people = Codec.json(person)(Lines.make())
const ada = { name: "Ada", age: 36 }

describe("Codec.json", () => {
  it("reads back what it writes", () => {
    const messages = [ada, { name: "\ud800 \u20ac \n \r \u2028", age: 0 }]
    assert.strictEqual(show(encoded(people, [ada])), "{\"name\":\"Ada\",\"age\":36}\n")
    gives(people, encoded(people, messages), messages)
  })

  it("a bad message costs that message: not JSON, another shape, not UTF-8", () => {
    const good = show(encoded(people, [ada]))
    for (
      const [bad, reason] of [
        ["{", "InvalidJson"],
        ["", "InvalidJson"],
        ["undefined", "InvalidJson"],
        ["\u00ef\u00bb\u00bf1", "InvalidJson"],
        ["{\"name\":\"x\"}", "SchemaMismatch"],
        ["{\"name\":\"x\",\"age\":1.5}", "SchemaMismatch"],
        ["null", "SchemaMismatch"],
        ["\xff", "InvalidUtf8"]
      ] as const
    ) {
      gives(people, `${good}${bad}\n${good}`, [ada, `!MessageError ${reason} @${good.length}`, ada])
    }
  })

  it("says what is wrong, and where", () => {
    const [failure] = Codec.decodeAll(people, [bytes("\n{\"name\":\"x\",\"age\":\"old\"}\n")]).failures.slice(1)
    assert.match(failure!.error.message, /does not match the schema: Expected .*"age".*, at byte 1 of the stream$/s)
    const [notJson] = Codec.decodeAll(people, [bytes("{]\n")]).failures
    assert.match(notJson!.error.message, /^the message is not JSON: .+, at byte 0 of the stream$/)
  })

  it("refuses to write what does not match the schema", () => {
    const age = (value: number) => refusal(people, { name: "x", age: value })
    assert.isUndefined(age(1))
    assert.strictEqual(age(1.5), "MessageError SchemaMismatch")
    assert.strictEqual(age(Number.NaN), "MessageError SchemaMismatch")
  })

  it("refuses to write what has no JSON form", () => {
    const any = Codec.json(Schema.Unknown)(Lines.make())
    const cyclic: Record<string, unknown> = {}
    cyclic["self"] = cyclic
    const none = [undefined, 1n, cyclic, () => 1, Symbol("s"), Number.NaN, Number.POSITIVE_INFINITY, { a: [1n] }]
    for (const value of none) {
      assert.match(refusal(any, value) ?? "written", /^MessageError (SchemaMismatch|InvalidJson)$/)
    }
    for (const value of [null, 0, "", [], {}, { a: [1, null, "x", { b: false }] }]) {
      gives(any, encoded(any, [value]), [value])
    }
  })

  it("refuses to write what toJSON throws, or makes of it nothing", () => {
    const declared = Codec.json(Schema.Any)(Lines.make())
    const throws = {
      toJSON() {
        throw new Error("no")
      }
    }
    assert.strictEqual(refusal(declared, throws), "MessageError InvalidJson")
    assert.strictEqual(refusal(declared, { toJSON: () => undefined }), "MessageError InvalidJson")
    assert.strictEqual(refusal(declared, { a: 1n }), "MessageError InvalidJson")
  })

  it("reads back values that JSON itself does not have", () => {
    const schema = Schema.Struct({
      when: Schema.Date,
      counts: Schema.ReadonlyMap(Schema.String, Schema.Number),
      data: Schema.Uint8Array,
      big: Schema.BigInt,
      maybe: Schema.UndefinedOr(Schema.Number)
    })
    const codec = Codec.json(schema)(Lines.make())
    const message = {
      when: new Date(0),
      counts: new Map([["a", Number.NaN], ["b", Number.NEGATIVE_INFINITY]]),
      data: hex("00 0a ff"),
      big: 2n ** 70n,
      maybe: undefined
    }
    gives(codec, encoded(codec, [message]), [message])
  })

  it("goes through the schema's own transformations, both ways", () => {
    const codec = Codec.json(Schema.NumberFromString)(Lines.make())
    assert.strictEqual(show(encoded(codec, [7])), "\"7\"\n")
    gives(codec, "\"7\"\n7\n", [7, "!MessageError SchemaMismatch @4"])
  })

  interface Tree {
    readonly children: ReadonlyArray<Tree>
  }
  const tree: Schema.Codec<Tree> = Schema.Struct({ children: Schema.Array(Schema.suspend(() => tree)) })

  const nested = (depth: number) => "{\"children\":[".repeat(depth / 2) + "]}".repeat(depth / 2)

  it("a peer that nests without end costs one message, and its text is not parsed", () => {
    const flat = "{\"children\":[]}"
    const bombs = [nested(514), nested(40_000), "[".repeat(400_000), "{\"a\":".repeat(100_000), `${"[".repeat(513)}1`]
    for (const schema of [tree, Schema.Unknown]) {
      const codec = Codec.json<unknown, unknown>(schema)(Lines.make())
      for (const bomb of bombs) {
        assert.deepStrictEqual(events(codec, [bytes(`${bomb}\n${flat}\n`)]), [
          "!MessageError InvalidJson @0",
          { children: [] }
        ])
      }
      assert.lengthOf(Codec.decodeAll(codec, [bytes(`${nested(512)}\n`)]).messages, 1)
    }
    const [failure] = Codec.decodeAll(people, [bytes(`${"[".repeat(600)}\n`)]).failures
    assert.match(failure!.error.message, /more than 512 arrays and objects within one another, in frame 0, at byte 0/)
  })

  it("the depth is inclusive, holds both ways, and is that of brackets which are not in strings", () => {
    const codec = Codec.json(Schema.Unknown, { depth: 2 })(Lines.make())
    const within = [
      [[1], [2, "[[["]],
      { a: { b: 1 }, "{{{": "\"[[[" },
      ["\\", ["\\\""], "\\\"[[[", "]]]"],
      [[], [], [], {}]
    ]
    gives(codec, encoded(codec, within), within)
    for (const value of [[[[]]], { a: [{}] }, ["]]]", [[1]]], ["\\\"]]]", [[1]]]]) {
      assert.strictEqual(refusal(codec, value), "MessageError InvalidJson")
      gives(codec, `${JSON.stringify(value)}\n1\n`, ["!MessageError InvalidJson @0", 1])
    }
    // What is no JSON at all is not looked at for ever.
    gives(codec, "[\"[[[\n\"\\\n[]]]]]\n", [0, 6, 9].map((at) => `!MessageError InvalidJson @${at}`))
    const flat = Codec.json(Schema.Unknown, { depth: 0 })(Lines.make())
    gives(flat, "1\n[]\n\"{}\"\n", [1, "!MessageError InvalidJson @2", "{}"])
    for (const depth of [-1, 0.5, 4097, Number.NaN]) {
      assert.throws(() => Codec.json(Schema.Unknown, { depth }), FramingError.InvalidOption, "0 to 4096")
    }
  })

  it("refuses to write what is nested without end", () => {
    let deep: Tree = { children: [] }
    for (let i = 0; i < 20_000; i++) deep = { children: [deep] }
    assert.match(
      refusal(Codec.json(tree)(Lines.make()), deep) ?? "written",
      /^MessageError (SchemaMismatch|InvalidJson)$/
    )
  })

  it("a mistake in the schema is a defect, not the peer's", () => {
    const broken = Schema.String.pipe(Schema.decodeTo(
      Schema.String,
      SchemaTransformation.transform({
        decode: (): string => {
          throw new TypeError("mistake")
        },
        encode: (value) => value
      })
    ))
    assert.throws(() => events(Codec.json(broken)(Lines.make()), [bytes("\"a\"\n")]), TypeError, "mistake")
    const waits = Schema.String.pipe(Schema.decodeTo(
      Schema.String,
      SchemaTransformation.transformEffect({
        decode: (value) => Effect.delay(Effect.succeed(value), "1 millis"),
        encode: (value) => Effect.succeed(value)
      })
    ))
    assert.throws(() => events(Codec.json(waits)(Lines.make()), [bytes("\"a\"\n")]))
  })
})

/** Of each failure, the number of its frame, where it began, and where in the message it is. */
const places = (codec: Codec.Codec<unknown, never>, chunks: Iterable<Uint8Array>) =>
  Codec.decodeAll(codec, chunks).failures.map(({ error }) => {
    assert.instanceOf(error, FramingError.MessageError)
    const { frame, offset, reason } = error
    return [frame, offset, reason._tag === "SchemaMismatch" ? reason.path : reason._tag]
  })

describe("a message that is refused", () => {
  const team = Codec.json(Schema.Struct({ members: Schema.Array(person) }))(Lines.make())
  const stream = [
    "{\"members\":[]}",
    "{\"members\":[{\"name\":\"a\",\"age\":1},{\"name\":\"b\",\"age\":\"old\"}]}",
    "\xff",
    "{\"members\":[{\"age\":1}]}",
    "{\"members\":[]}",
    "{]",
    "1"
  ].map((line) => `${line}\n`).join("")

  it("says which frame it is, where it began and where in it the schema does not match, however it is cut", () => {
    for (const size of [1, 7, 1000]) {
      assert.deepStrictEqual(places(team, inChunks(bytes(stream), size)), [
        [1, 15, ["members", 1, "age"]],
        [2, 75, "InvalidUtf8"],
        [3, 77, ["members", 0, "name"]],
        [5, 116, "InvalidJson"],
        [6, 119, []]
      ])
    }
  })

  it("where frames were only visited before, nothing is said of its number", () => {
    const reader = readerOf(bytes("{}\n{}\n"))
    assert.isUndefined(Decoder.visit(Lines.make().decoder.start(), reader, () => {}))
    reader.push(bytes("{]\n"))
    const error = Decoder.run(team.decoder.start(), reader, [])
    assert.instanceOf(error, FramingError.MessageError)
    assert.deepStrictEqual([error.frame, error.offset], [undefined, 6])
  })

  it("to be sent says where in it, and has neither frame nor offset", () => {
    const result = Codec.encodeAll(team, [{ members: [{ name: "a", age: 0.5 }] }])
    assert.isTrue(Result.isFailure(result))
    const { failure } = Result.flip(result).pipe(Result.map((failure) => ({ failure })), Result.getOrThrow)
    assert.deepInclude(failure.reason, { _tag: "SchemaMismatch", path: ["members", 0, "age"] })
    assert.deepStrictEqual([failure.frame, failure.offset], [undefined, undefined])
  })
})

describe("Codec.binary", () => {
  const schema = Schema.Struct({
    id: Schema.Int,
    tags: Schema.Array(Schema.String),
    when: Schema.Date,
    data: Schema.Uint8Array,
    maybe: Schema.optionalKey(Schema.Struct({ big: Schema.BigInt }))
  })
  const records = Codec.binary(schema)(LengthPrefixed.u16be())
  const some = [
    { id: 1, tags: [], when: new Date(0), data: hex("") },
    { id: -5, tags: ["a", "\u20ac", "a"], when: new Date(1e12), data: hex("000aff"), maybe: { big: 2n ** 70n } }
  ]

  it("reads back what it writes, smaller than JSON", () => {
    gives(records, encoded(records, some), some)
    assert.isBelow(
      encoded(records, some).length,
      encoded(Codec.json(schema)(LengthPrefixed.u16be()), some).length
    )
  })

  it("what was written before does not change with what is written later", () => {
    const large = { ...some[0]!, data: new Uint8Array(5000).fill(7) }
    const [first, second] = [large, { ...large, id: 2 }].map((it) => Result.getOrThrow(Codec.encodeAll(records, [it])))
    const before = toHex(join(first!))
    for (let i = 0; i < 50; i++) encoded(records, [large, ...some])
    assert.strictEqual(toHex(join(first!)), before)
    assert.deepStrictEqual(Codec.decodeAll(records, second!).messages, [{ ...large, id: 2 }])
  })

  it("a frame of another form costs that message, with its number, place and path", () => {
    const numbers = Codec.binary(Schema.Struct({ a: Schema.Array(Schema.Finite) }))(LengthPrefixed.u16be())
    const texts = Codec.binary(Schema.Struct({ a: Schema.Array(Schema.NonEmptyString) }))(LengthPrefixed.u16be())
    const loose = Codec.binary(Schema.Struct({ a: Schema.Array(Schema.String) }))(LengthPrefixed.u16be())
    const good = encoded(texts, [{ a: ["x"] }])
    const bad = encoded(loose, [{ a: ["x", ""] }])
    const other = encoded(numbers, [{ a: [0.5] }])
    const stream = join([good, bad, other, hex("0000"), hex("0003ffffff"), good])
    assert.deepStrictEqual(Codec.decodeAll(texts, [stream]).messages, [{ a: ["x"] }, { a: ["x"] }])
    const found = places(texts, [stream])
    assert.deepStrictEqual(found.map(([frame]) => frame), [1, 2, 3, 4])
    assert.deepStrictEqual(found[0], [1, good.length, ["a", 1]])
    assert.strictEqual(refusal(texts, { a: [""] }), "MessageError SchemaMismatch")
  })

  it("bytes that are none, or were changed, are messages or a typed refusal, and never more than that", () => {
    const next = random(11)
    const written = some.map((it) => encoded(records, [it]).subarray(2))
    for (let turn = 0; turn < 3000; turn++) {
      const frame = turn % 2 === 0
        ? written[turn % 4 >> 1]!.slice()
        : Uint8Array.from({ length: 1 + next(60) }, () => next(256))
      for (let changes = next(4); changes > 0; changes--) frame[next(frame.length)] = next(256)
      const { failures, messages } = Codec.decodeAll(records, [hex(frame.length.toString(16).padStart(4, "0")), frame])
      assert.strictEqual(failures.length + messages.length, 1)
      for (const { error } of failures) assert.strictEqual(error.reason._tag, "SchemaMismatch")
    }
  })

  interface Tree {
    readonly children: ReadonlyArray<Tree>
  }
  const tree: Schema.Codec<Tree> = Schema.Struct({ children: Schema.Array(Schema.suspend(() => tree)) })

  it("what nests without end is refused to be sent, typed", () => {
    let deep: Tree = { children: [] }
    for (let i = 0; i < 20_000; i++) deep = { children: [deep] }
    assert.strictEqual(refusal(Codec.binary(tree)(LengthPrefixed.u32be()), deep), "MessageError SchemaMismatch")
  })

  it("refuses a lone surrogate, which the form has no bytes for, and takes the character that stands for one", () => {
    const keyed = Codec.binary(Schema.Record(Schema.String, Schema.Array(Schema.String)))(LengthPrefixed.u16be())
    for (const message of [{ a: ["\ud800"] }, { "\udc00": [] }, { a: ["\ufffd", "x\udfff"] }]) {
      assert.strictEqual(refusal(keyed, message), "MessageError InvalidUtf8")
    }
    const fine = [{ "\ufffd": ["\ufffd", "\ufeff", "\u{1f600}", "\uf000\uff00"] }]
    gives(keyed, encoded(keyed, fine), fine)
  })

  it("has the limit of its framing, in bytes of the frame", () => {
    const codec = Codec.binary(Schema.String)(LengthPrefixed.u16be({ limit: 20 }))
    assert.strictEqual(codec.limit, 20)
    assert.isUndefined(refusal(codec, "a".repeat(10)))
    assert.match(refusal(codec, "a".repeat(30)) ?? "written", /FrameTooLong 3\d > 20/)
  })
})

describe("a JSON codec", () => {
  it.prop(
    "reads back what it writes, or refuses it",
    {
      messages: Arbitrary.array(Arbitrary.schema(Schema.Struct({ a: Schema.String, b: Schema.Array(Schema.Number) })))
    },
    ({ messages }) => {
      const codec = Codec.json(Schema.Struct({ a: Schema.String, b: Schema.Array(Schema.Number) }))(Lines.make())
      // JSON has no -0.
      const written = messages.map(({ a, b }) => ({ a, b: b.map((number) => number + 0) }))
      assert.deepStrictEqual(events(codec, [encoded(codec, written)]), written)
    },
    { arbitrary: { runs: 100, seed: 1 } }
  )
})
