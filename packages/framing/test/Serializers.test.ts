// Libraries of others, each in three lines: what they throw is a refused message, and nothing else.
import { assert, describe, it } from "@effect/vitest"
import { Codec, FramingError, LengthPrefixed, Varint } from "@framewire/framing"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { pack, unpack } from "msgpackr"
import protobuf from "protobufjs"
import { bytes, encoded, events, gives, hex, join, random, refusal, toHex } from "./support.ts"

const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
const people = ["Ada", "", "\u20ac\n", "x".repeat(70_000)].map((name, age) => ({ name, age }))

const msgpack = Codec.functions<unknown>(unpack, pack)(LengthPrefixed.u32be())

const person = Schema.decodeUnknownSync(Person)
const typed = Codec.functions((frame) => person(unpack(frame)), (message: typeof Person.Type) => pack(message))(
  LengthPrefixed.u32be()
)

const { root } = protobuf.parse("syntax = \"proto3\"; message Person { string name = 1; int32 age = 2; }")
const type = root.lookupType("Person")
const proto = Codec.functions(
  (frame) => person(type.toObject(type.decode(frame), { defaults: true })),
  (message: typeof Person.Type) => type.encode(message).finish()
)(Varint.make())

const frame = (of: Uint8Array) => join([hex(of.length.toString(16).padStart(8, "0")), of])

describe("msgpackr", () => {
  it("reads back what it writes", () => {
    const messages = [null, true, -1, 1.5, "\u20ac", [], [1, [2]], { a: { b: "c" } }]
    gives(msgpack, encoded(msgpack, messages), messages)
    assert.strictEqual(toHex(encoded(msgpack, [{ a: 1 }])), "00000006de0001a16101")
    for (const one of people) assert.deepStrictEqual(events(typed, [encoded(typed, [one])]), [one])
  })

  it("what it has written does not change when it writes more", () => {
    const first = Result.getOrThrow(Codec.encodeAll(typed, people))
    const before = toHex(join(first))
    for (let i = 0; i < 20; i++) encoded(typed, people)
    assert.strictEqual(toHex(join(first)), before)
  })

  it("bytes that are none cost one message, as does another shape, with its path", () => {
    const good = encoded(typed, people.slice(0, 1))
    const other = frame(pack({ name: "x", age: "old" }))
    const none = [frame(hex("d9")), frame(hex("91")), frame(hex("")), frame(join([pack(1), pack(2)]))]
    const { failures, messages } = Codec.decodeAll(typed, [join([good, ...none, other, good])])
    assert.deepStrictEqual(messages, [...people.slice(0, 1), ...people.slice(0, 1)])
    assert.deepStrictEqual(failures.map(({ error }) => error.reason._tag), [
      "Malformed",
      "Malformed",
      "Malformed",
      "Malformed",
      "SchemaMismatch"
    ])
    assert.deepInclude(failures.at(-1)?.error.reason, { path: ["age"] })
  })

  it("any bytes are messages or refused", () => {
    const next = random(7)
    for (let turn = 0; turn < 1000; turn++) {
      const { failures, messages } = Codec.decodeAll(msgpack, [
        frame(Uint8Array.from({ length: next(20) }, () => next(256)))
      ])
      assert.strictEqual(messages.length + failures.length, 1)
    }
  })
})

describe("protobufjs", () => {
  it("reads back what it writes, delimited as Protocol Buffers do", () => {
    for (const one of people) assert.deepStrictEqual(events(proto, [encoded(proto, [one])]), [one])
    gives(proto, encoded(proto, people.slice(0, 3)), people.slice(0, 3))
    assert.strictEqual(toHex(encoded(proto, [{ name: "Ada", age: 36 }])), "070a034164611024")
  })

  it("bytes that are none cost one message", () => {
    const good = encoded(proto, [people[0]!])
    const stream = join([good, hex("020aff"), hex("010b"), good])
    gives(proto, stream, [
      people[0],
      `!MessageError Malformed @${good.length}`,
      `!MessageError Malformed @${good.length + 3}`,
      people[0]
    ])
  })
})

describe("Codec.functions", () => {
  const refused = new FramingError.MessageError({ direction: "encode", reason: new FramingError.InvalidUtf8() })
  const codec = Codec.functions(
    (of): string => {
      if (of.length === 0) throw "a text"
      throw new TypeError("an error")
    },
    (message: string) => {
      if (message === "") throw refused
      if (message === "{") return person(message) && bytes(message)
      throw new Error(message)
    }
  )(LengthPrefixed.u8())

  it("what is thrown is the reason, with frame and place", () => {
    assert.deepStrictEqual(Codec.decodeAll(codec, [hex("00 0161")]).failures.map(({ error }) => error.message), [
      "the frame is malformed: a text, in frame 0, at byte 0 of the stream",
      "the frame is malformed: an error, in frame 1, at byte 1 of the stream"
    ])
  })

  it("to be sent, too, and a MessageError is taken as it is", () => {
    assert.deepStrictEqual(["", "{", "a"].map((message) => refusal(codec, message)), [
      "MessageError InvalidUtf8",
      "MessageError SchemaMismatch",
      "MessageError Malformed"
    ])
  })
})
