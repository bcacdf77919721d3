import { assert, describe, it } from "@effect/vitest"
import { ByteReader, Decoder, LengthPrefixed, Lines } from "@framewire/framing"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { bytes, hex, inChunks, join, random, readerOf, show, work } from "./support.ts"

// Few different bytes, so that searches find some, and sizes on both sides of what the reader treats differently.
const sizes = [0, 1, 2, 7, 100, 4095, 4096, 5000]
// What brings bytes twice, because the others take them.
const ops = [
  "push",
  "push",
  "lend",
  "lendBehind",
  "lendBehind",
  "keep",
  "keep",
  "take",
  "skip",
  "indexOf",
  "search",
  "at",
  "uint",
  "peek"
] as const
const command = Schema.Struct({
  op: Schema.Literals(ops),
  size: Schema.Literals(sizes),
  part: Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 1 })),
  seed: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 }))
})

type Command = typeof command.Type

/** Runs the commands on a reader and on a plain array, and compares all they say. */
const compare = (commands: ReadonlyArray<Command>): void => {
  const reader = ByteReader.make()
  let model = new Uint8Array(0)
  let offset = 0
  let taken: Array<readonly [Uint8Array, Uint8Array]> = []
  const lent: Array<Uint8Array> = []
  const unchanged = () => {
    for (const [frame, was] of taken) assert.strictEqual(Buffer.compare(frame, was), 0, "a taken frame has changed")
  }
  for (const { op, part, seed, size } of commands) {
    const next = random(seed)
    const some = Math.round(part * model.length)
    const index = Math.min(some, model.length - 1)
    switch (op) {
      case "push":
      case "lend":
      case "lendBehind": {
        // What is lent behind room of its own is the first that is lent, as of a batch.
        const headroom = op === "lendBehind" && lent.length === 0 ? 20_000 : 0
        const buffer = Uint8Array.from({ length: headroom + size }, () => next(50))
        const chunk = buffer.subarray(headroom)
        if (op === "push") reader.push(chunk)
        else reader.lend(chunk, headroom)
        if (op !== "push") lent.push(buffer)
        model = join([model, chunk]) as Uint8Array<ArrayBuffer>
        break
      }
      case "take": {
        const frame = reader.take(some)
        assert.strictEqual(Buffer.compare(frame, model.subarray(0, some)), 0)
        taken.push([frame, frame.slice()])
        model = model.slice(some)
        offset += some
        break
      }
      case "keep":
        // What was taken of a chunk that was lent changes with it, and nothing else.
        unchanged()
        taken = taken.filter(([frame]) => lent.every(({ buffer }) => buffer !== frame.buffer))
        reader.keep()
        for (const chunk of lent.splice(0)) chunk.fill(0xdd)
        break
      case "skip":
        reader.skip(some)
        model = model.slice(some)
        offset += some
        break
      case "indexOf": {
        const byte = next(60)
        assert.strictEqual(reader.indexOf(byte, some), model.indexOf(byte, some))
        break
      }
      case "search": {
        // Two bytes in a row, which may lie in two pieces.
        const [first, second] = [next(10), next(10)]
        let before = -1
        const found = reader.search(some, (piece, from) => {
          for (let at = from; at < piece.length; at++) {
            if (before === first && piece[at] === second) return at
            before = piece[at]!
          }
          return -1
        })
        const expected = model.findIndex((byte, at) => at > some && model[at - 1] === first && byte === second)
        assert.strictEqual(found, expected)
        break
      }
      case "at":
        if (index >= 0) assert.strictEqual(reader.at(index), model[index])
        break
      case "uint": {
        const width = Math.min(1 + next(6), model.length)
        const from = Math.max(0, index - width)
        const digits = Array.from(model.slice(from, from + width))
        if (width === 0) break
        assert.strictEqual(reader.uint(from, width, false), digits.reduce((value, digit) => value * 256 + digit, 0))
        assert.strictEqual(reader.uint(from, width, true), digits.reduceRight((value, digit) => value * 256 + digit, 0))
        break
      }
      case "peek":
        assert.strictEqual(show(reader.peek(size)), show(model.slice(0, size)))
        break
    }
    assert.strictEqual(reader.length, model.length)
    assert.strictEqual(reader.offset, offset)
  }
  assert.strictEqual(show(reader.take(reader.length)), show(model))
  unchanged()
}

describe("ByteReader", () => {
  it.prop(
    "says what a plain array would, whatever is done in whatever order",
    { commands: Arbitrary.array(Arbitrary.schema(command), { maxLength: 40 }) },
    ({ commands }) => compare(commands),
    { arbitrary: { runs: 200, size: 40, seed: 1 } }
  )

  it("does so for long, and with thousands of bytes waiting", () => {
    for (const seed of [2, 3, 4, 5]) {
      const next = random(seed)
      compare(Array.from({ length: 2000 }, () => ({
        op: ops[next(ops.length)]!,
        size: sizes[next(sizes.length)]!,
        // Mostly a little at a time.
        part: (next(1000) / 1000) ** 4,
        seed: next(1000)
      })))
    }
  })

  it("what was taken of what was kept stays as it was, whatever is lent next", () => {
    const chunk = (byte: number, headroom: number) => new Uint8Array(headroom + 9000).fill(byte).subarray(headroom)
    for (const headroom of [0, 20_000]) {
      for (const taken of [500, 5000, 9000]) {
        const reader = ByteReader.make()
        reader.lend(chunk(1, 0))
        reader.keep()
        const before = headroom > 0 ? reader.take(taken) : undefined
        reader.lend(chunk(2, headroom), headroom)
        const lent = headroom > 0 ? undefined : reader.take(taken)
        reader.skip(12_500 - taken)
        reader.keep()
        assert.isTrue([...(before ?? lent!)].every((byte) => byte === 1))
        assert.isTrue([...reader.take(5500)].every((byte) => byte === 2))
        assert.strictEqual(reader.length, 0)
      }
    }
  })

  it("holds no memory when nothing waits, and has no view of what it gave back", () => {
    const reader = ByteReader.make()
    for (const size of [9000, 5000]) {
      const buffer = new Uint8Array(40_000)
      for (const part of [1, 2]) {
        reader.lend(buffer.subarray(20_000, 20_000 + size), part === 1 ? 0 : 20_000)
        if (part === 2) reader.skip(2 * size)
        reader.keep()
      }
      // As large as the first, it would be used again.
      const { allocated } = work(() => {
        reader.lend(buffer.subarray(0, 4500))
        reader.keep()
      })
      assert.strictEqual(allocated, 4500)
      reader.skip(4500)
      reader.keep()
    }
  })

  it("an empty chunk is nothing", () => {
    const reader = readerOf(bytes(""), bytes("ab"), bytes(""), bytes("c"))
    assert.strictEqual(reader.length, 3)
    assert.strictEqual(show(reader.take(3)), "abc")
    assert.strictEqual(reader.length, 0)
    assert.strictEqual(show(reader.take(0)), "")
    assert.strictEqual(show(reader.peek(10)), "")
    assert.strictEqual(reader.indexOf(0), -1)
  })

  it("an integer of 6 bytes is exact, in one chunk and in six", () => {
    const all = hex("ff fe fd fc fb fa")
    for (const reader of [readerOf(all), readerOf(...inChunks(all, 1))]) {
      assert.strictEqual(reader.uint(0, 6, false), 0xfffefdfcfbfa)
      assert.strictEqual(reader.uint(0, 6, true), 0xfafbfcfdfeff)
      assert.strictEqual(reader.uint(0, 4, false), 0xfffefdfc)
      assert.strictEqual(reader.uint(2, 4, true), 0xfafbfcfd)
      assert.strictEqual(reader.uint(5, 1, true), 0xfa)
    }
  })

  it("an integer of 8 bytes is exact up to 2^53 - 1, and is above where it is above", () => {
    for (
      const [digits, value] of [["001fffffffffffff", 2 ** 53 - 1], ["0020000000000000", 2 ** 53], [
        "00000001 00000002",
        2 ** 32 + 2
      ]] as const
    ) {
      assert.strictEqual(readerOf(hex(digits)).uint(0, 8, false), value)
      assert.strictEqual(readerOf(...inChunks(hex(digits).toReversed(), 3)).uint(0, 8, true), value)
    }
    assert.isAbove(readerOf(hex("0020000000000001")).uint(0, 8, false), Number.MAX_SAFE_INTEGER)
    assert.strictEqual(readerOf(hex("ffffffffffffffff")).uint(0, 8, true), 2 ** 64)
  })

  it("refuses what does not wait, and what is no number of bytes", () => {
    const readers = () => [readerOf(), readerOf(bytes("ab")), readerOf(bytes("a"), bytes("b"))]
    for (const reader of readers()) {
      for (const size of [reader.length + 1, -1, 0.5, Number.NaN]) {
        assert.throws(() => reader.take(size), RangeError)
        assert.throws(() => reader.skip(size), RangeError)
      }
      assert.throws(() => reader.at(reader.length), RangeError)
      assert.throws(() => reader.at(-1), RangeError)
      assert.throws(() => reader.uint(reader.length, 1, false), RangeError)
      assert.strictEqual(reader.indexOf(97, reader.length), -1)
    }
    const [, half] = readers()
    half!.skip(1)
    assert.throws(() => half!.at(-1), RangeError, "byte -1")
    assert.throws(() => half!.uint(-1, 2, false), RangeError, "byte -1")
    assert.strictEqual(half!.length, 1)
  })

  it("need says more, and keeps the number for who wants to know", () => {
    const reader = readerOf(bytes("a"))
    assert.strictEqual(reader.needed, 0)
    const more = reader.need(7)
    assert.strictEqual(reader.needed, 7)
    assert.strictEqual(reader.need(), more)
    assert.strictEqual(reader.needed, 0)
  })

  it("ends when it is told to", () => {
    const reader = readerOf(bytes("a"))
    assert.isFalse(reader.ended)
    reader.end()
    assert.isTrue(reader.ended)
    assert.strictEqual(reader.length, 1)
  })

  it("a frame within one chunk is a view of it, one over several a copy", () => {
    const first = bytes("..abcdef..").subarray(2, 8)
    const reader = readerOf(first, bytes("gh"), bytes("ij"))
    assert.strictEqual(reader.take(2).buffer, first.buffer)
    const over = reader.take(5)
    assert.strictEqual(show(over), "cdefg")
    assert.notStrictEqual(over.buffer, first.buffer)
    const whole = readerOf(first).take(6)
    assert.strictEqual(show(whole), "abcdef")
    assert.strictEqual(whole.buffer, first.buffer)
  })

  it("peek is a copy: to change it changes nothing", () => {
    const reader = readerOf(bytes("ab"), bytes("cd"))
    reader.peek(4).fill(0)
    assert.strictEqual(show(reader.take(4)), "abcd")
  })

  it("frames of a Buffer are plain Uint8Arrays, so that slice copies", () => {
    const chunk = Buffer.from("abcdef")
    const reader = readerOf(chunk, Buffer.from("ghi"))
    for (const frame of [reader.take(3), reader.peek(3), reader.take(5), reader.take(1)]) {
      assert.strictEqual(Object.getPrototypeOf(frame), Uint8Array.prototype)
    }
  })

  it("a frame that was taken does not change when more bytes come", () => {
    const reader = ByteReader.make()
    const next = random(3)
    const taken: Array<readonly [Uint8Array, string]> = []
    for (let round = 0; round < 3000; round++) {
      const size = 1 + next(300)
      reader.push(Uint8Array.from({ length: size }, () => next(256)))
      while (reader.length > 1 && next(3) > 0) {
        const frame = reader.take(1 + next(Math.min(reader.length, 200)))
        taken.push([frame, show(frame)])
      }
    }
    for (const [frame, was] of taken) assert.strictEqual(show(frame), was)
  })
})

describe("ByteReader works in proportion to the bytes", () => {
  const feed = <A>(decoder: Decoder.Decoder<A>, chunks: ReadonlyArray<Uint8Array>): Array<A> => {
    const reader = ByteReader.make()
    const step = decoder.start()
    const frames: Array<A> = []
    for (const chunk of chunks) {
      reader.push(chunk)
      assert.isUndefined(Decoder.run(step, reader, frames))
    }
    return frames
  }
  const size = 100_000
  const line = new Uint8Array(size + 1).fill(97)
  line[size] = 10
  const frame = new Uint8Array(size + 4)
  frame.set([0, 1, 0x86, 0xa0])

  for (const headroom of [0, 262_144]) {
    it(`what is lent and kept is copied once, or twice where it is joined (headroom ${headroom})`, () => {
      for (const size of [1, 100, 4096, 65_536]) {
        const chunk = new Uint8Array(headroom + size).subarray(headroom)
        const total = Math.max(200_000, 20 * size)
        const reader = ByteReader.make()
        const { copied } = work(() => {
          for (let lent = 0; lent < total; lent += size) {
            reader.lend(chunk, headroom)
            reader.keep()
          }
        })
        assert.isAtMost(copied, (size < 4096 ? 3 : 1.2) * (total + size))
      }
    })
  }

  it("a frame larger than the room is copied once to be kept, and once to be taken", () => {
    const large = new Uint8Array(1_000_000)
    large.set([0, 0x0f, 0x42, 0x3c])
    const reader = ByteReader.make()
    const step = LengthPrefixed.u32be().decoder.start()
    const into: Array<Uint8Array> = []
    const room = 262_144
    const { copied } = work(() => {
      for (let at = 0; at < large.length; at += room) {
        const buffer = Buffer.alloc(2 * room)
        const read = Buffer.from(large.buffer).copy(buffer, room, at, at + room)
        reader.lend(buffer.subarray(room, room + read), room)
        assert.isUndefined(Decoder.run(step, reader, into))
        reader.keep()
      }
    })
    assert.deepStrictEqual(into.map(({ length }) => length), [999_996])
    assert.isAtMost(copied, 2 * large.length)
  })

  it("a frame that lies in two lent chunks is copied out and back in front of the second, to memory that is there", () => {
    const stream = Buffer.concat(Array.from({ length: 200 }, () => frame))
    const room = 131_072
    const buffer = new Uint8Array(2 * room)
    const reader = ByteReader.make()
    const step = LengthPrefixed.u32be().decoder.start()
    let frames = 0
    const { allocated, copied } = work(() => {
      for (let at = 0; at < stream.length; at += room) {
        const read = stream.copy(buffer, room, at, at + room)
        reader.lend(buffer.subarray(room, room + read), room)
        const into: Array<Uint8Array> = []
        assert.isUndefined(Decoder.run(step, reader, into))
        for (const taken of into) assert.strictEqual(taken.buffer, buffer.buffer)
        frames += into.length
        reader.keep()
        buffer.fill(0xdd)
      }
    })
    assert.strictEqual(frames, 200)
    // Out and back: half a frame a read, where without room it would be copied whole, and to new memory.
    assert.isAtMost(copied, 1.1 * stream.length)
    assert.isAtMost(allocated, 10 * size)
  })

  it("lines that come byte by byte are searched once and copied twice", () => {
    const first = size / 5
    line[first - 1] = 10
    const chunks = inChunks(line, 1)
    let frames: ReadonlyArray<Uint8Array> = []
    const done = work(() => {
      frames = feed(Lines.make().decoder, chunks)
    })
    assert.deepStrictEqual(frames.map(({ length }) => length), [first - 1, size - first])
    // The fast form looks at the first byte of a line before the step does.
    assert.isAtMost(done.searched, size + 2)
    // To join what waits, and to take it.
    assert.isAtMost(done.copied, 2 * (size + 1))
    assert.isAtMost(done.read, 2 * size)
    assert.isAtMost(done.looked, 30 * size)
  })

  it("so is a frame behind a length", () => {
    const chunks = inChunks(frame, 1)
    let frames: ReadonlyArray<Uint8Array> = []
    const done = work(() => {
      frames = feed(LengthPrefixed.u32be().decoder, chunks)
    })
    assert.deepStrictEqual(frames.map(({ length }) => length), [size])
    assert.strictEqual(done.searched, 0)
    assert.isAtMost(done.copied, 2 * (size + 4))
    assert.isAtMost(done.read, 8 * size)
    assert.isAtMost(done.looked, 30 * size)
  })

  it("bytes that wait one by one are joined to few chunks, in buffers not much larger than they", () => {
    const reader = ByteReader.make()
    const chunks = inChunks(line, 1)
    const pushing = work(() => chunks.forEach((chunk) => reader.push(chunk)))
    assert.isAtMost(pushing.allocated, 3 * size)
    const taking = work(() => reader.take(reader.length))
    assert.isAtMost(taking.copies, 8)
  })

  // 4 KiB chunks are not joined, and 4000 of them wait.
  const count = 4000
  const wait = inChunks(new Uint8Array(count * 4096).fill(97), 4096)

  it("a long line in many chunks: no chunk is visited again for each that comes", () => {
    const done = work(() => feed(Lines.make({ limit: 2 ** 30 }).decoder, [...wait, bytes("\n")]))
    assert.isAtMost(done.looked, 30 * count)
    // The first chunk twice: by the fast form of the step, and by the step.
    assert.isAtMost(done.searched, (count + 1) * 4096 + 1)
    assert.isAtMost(done.copied, count * 4096 + 1)
  })

  it("nor when a decoder looks at the first bytes each time, too", () => {
    const decoder = Decoder.make(() => {
      let searched = 0
      return (reader) => {
        for (const index of [0, 5000]) if (index < reader.length) reader.at(index)
        const end = reader.indexOf(10, searched)
        searched = reader.length
        return end < 0 ? reader.need() : reader.take(end + 1)
      }
    })
    const done = work(() => feed(decoder, [...wait, bytes("\n")]))
    assert.isAtMost(done.looked, 40 * count)
  })

  it("a large frame in many chunks is copied once", () => {
    const size = count * 4096
    const header = Uint8Array.of(size >>> 24, size >>> 16, size >>> 8, size)
    const done = work(() => feed(LengthPrefixed.u32be({ limit: 2 ** 30 }).decoder, [header, ...wait]))
    assert.strictEqual(done.copied, size)
    assert.isAtMost(done.looked, 30 * count)
  })

  it("what was taken is let go", async () => {
    setFlagsFromString("--expose-gc")
    const collect = runInNewContext("gc") as () => void
    const reader = ByteReader.make()
    const chunks = Array.from({ length: 4 }, () => {
      const chunk = new Uint8Array(65_536)
      reader.push(chunk)
      return new WeakRef(chunk.buffer)
    })
    const alive = async () => {
      // A WeakRef that was looked at lives until the end of the task.
      await new Promise((resolve) => setImmediate(resolve))
      collect()
      return chunks.map((chunk) => chunk.deref() !== undefined)
    }
    reader.indexOf(1)
    reader.skip(2 * 65_536)
    assert.deepStrictEqual(await alive(), [false, false, true, true])
    reader.skip(reader.length)
    assert.deepStrictEqual(await alive(), [false, false, false, false])
  })
})
