import { assert, describe, it } from "@effect/vitest"
import { ByteWriter } from "@framewire/framing"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { bytes, join, random, show, toHex, work } from "./support.ts"

const filled = (size: number, byte: number) => new Uint8Array(size).fill(byte)

describe("ByteWriter", () => {
  it("gives what was written, in order", () => {
    const writer = ByteWriter.make()
    writer.byte(1)
    writer.bytes(bytes("ab"))
    writer.uint(0x0102, 2, false)
    writer.bytes(filled(5000, 9))
    writer.uint(0x0102, 2, true)
    writer.bytes(bytes(""))
    assert.strictEqual(writer.length, 5007)
    assert.strictEqual(toHex(join(writer.finish())), `0161620102${"09".repeat(5000)}0201`)
    assert.strictEqual(writer.length, 0)
    assert.deepStrictEqual(writer.finish(), [])
  })

  it("writes integers of every width, both ends first, up to the largest", () => {
    for (
      const [width, value, written] of [
        [1, 0xff, "ff"],
        [2, 0xfffe, "fffe"],
        [3, 0xfffefd, "fffefd"],
        [4, 0xfffefdfc, "fffefdfc"],
        [4, 1, "00000001"],
        [3, 0, "000000"],
        [5, 2 ** 32, "0100000000"],
        [8, Number.MAX_SAFE_INTEGER, "001fffffffffffff"]
      ] as const
    ) {
      const writer = ByteWriter.make()
      writer.uint(value, width, false)
      assert.strictEqual(toHex(join(writer.finish())), written)
      writer.uint(value, width, true)
      assert.strictEqual(toHex(join(writer.finish()).toReversed()), written)
    }
  })

  it("joins small pieces in one chunk, however many", () => {
    const writer = ByteWriter.make()
    for (let i = 0; i < 20_000; i++) {
      writer.byte(i)
      writer.bytes(filled(10, i))
    }
    const chunks = writer.finish()
    assert.lengthOf(chunks, 1)
    assert.lengthOf(chunks[0]!, 220_000)
  })

  it("copies each small piece a bounded number of times", () => {
    const pieces = Array.from({ length: 10_000 }, () => filled(64, 1))
    const writer = ByteWriter.make()
    const done = work(() => {
      for (const piece of pieces) writer.bytes(piece)
      writer.finish()
    })
    assert.isAtMost(done.copied, 3 * 640_000)
    assert.isAtMost(done.allocated, 4 * 640_000)
  })

  it("passes on 4 KiB and more as they are, and copies less", () => {
    const writer = ByteWriter.make()
    const [below, at, above] = [filled(4095, 1), filled(4096, 2), filled(4097, 3)]
    for (const payload of [below, at, above]) writer.bytes(payload)
    const chunks = writer.finish()
    assert.deepStrictEqual(chunks.map(({ length }) => length), [4095, 4096, 4097])
    assert.notStrictEqual(chunks[0]!.buffer, below.buffer)
    assert.strictEqual(chunks[1], at)
    assert.strictEqual(chunks[2], above)
  })

  it("a small piece may change once it is written", () => {
    const writer = ByteWriter.make()
    const piece = bytes("abc")
    writer.bytes(piece)
    piece.fill(0)
    assert.strictEqual(show(join(writer.finish())), "abc")
  })

  it("truncates to every length, across references, and goes on from there", () => {
    const parts = [
      bytes("ab"),
      filled(4096, 0x78),
      filled(4097, 0x79),
      bytes("cdef"),
      filled(300, 0x7a),
      filled(5000, 0x77),
      bytes("g")
    ]
    const all = join(parts)
    const places = Array.from({ length: all.length + 1 }, (_, at) => at)
    // Every place beside an edge, and some between.
    let edge = 0
    const edges = [0, ...parts.map(({ length }) => edge += length)]
    for (const at of places.filter((at) => at % 97 === 0 || edges.some((edge) => Math.abs(edge - at) <= 3))) {
      const writer = ByteWriter.make()
      for (const part of parts) writer.bytes(part)
      writer.truncate(at)
      assert.strictEqual(writer.length, at)
      writer.bytes(bytes("after"))
      writer.truncate(writer.length)
      writer.truncate(writer.length + 1)
      const chunks = writer.finish()
      assert.strictEqual(show(join(chunks)), `${show(all.slice(0, at))}after`, `truncated to ${at}`)
      assert.isTrue(chunks.every(({ length }) => length > 0))
    }
    for (const part of parts.slice(1, 3)) assert.isTrue(part.every((byte) => byte === part[0]), "the caller's bytes")
  })

  it("uses the memory of a batch again when nobody reads it, of a small one and of a large one", () => {
    for (const size of [300, 60_000]) {
      const writer = ByteWriter.make()
      const batch = (byte: number) => {
        for (let written = 0; written < size; written += 300) writer.bytes(filled(300, byte))
        return writer.finish()[0]!
      }
      // From the second on its size is foreseen.
      batch(0)
      const first = batch(1)
      writer.recycle()
      const again = batch(2)
      assert.deepStrictEqual([again.buffer === first.buffer, again.byteOffset], [true, first.byteOffset])
      // Once, however often it is said.
      writer.recycle()
      writer.recycle()
      const kept = batch(3)
      writer.recycle()
      const other = ByteWriter.make()
      other.byte(4)
      const held = other.finish()
      batch(5)
      assert.strictEqual(show(join(held)), "\x04")
      assert.strictEqual(kept.length, size)
    }
  })

  it("large and small batches by turns use the memory of the large ones again", () => {
    const writer = ByteWriter.make()
    const piece = filled(250, 1)
    const both = () => {
      for (const size of [60_000, 1000]) {
        for (let written = 0; written < size; written += piece.length) writer.bytes(piece)
        writer.finish()
        writer.recycle()
      }
    }
    both()
    const done = work(() => {
      for (let i = 0; i < 100; i++) both()
    })
    // The slab that all share is renewed now and then.
    assert.isAtMost(done.allocated, 2 * 65_536)
  })

  it("what finish gave never changes while somebody reads it, whoever recycles beside it", () => {
    const next = random(7)
    const writers = Array.from({ length: 5 }, () => ByteWriter.make())
    const open = writers.map(() => "")
    let held: Array<readonly [ReadonlyArray<Uint8Array>, string]> = []
    for (let round = 0; round < 20_000; round++) {
      const index = next(writers.length)
      const writer = writers[index]!
      if (next(4) > 0) {
        const piece = filled([1, 3, 200, 4000, 4096][next(5)]!, next(256))
        writer.bytes(piece)
        open[index] += show(piece)
        continue
      }
      const chunks = writer.finish()
      assert.isTrue(show(join(chunks)) === open[index])
      if (next(2) > 0) writer.recycle()
      else held.push([chunks, open[index]!])
      open[index] = ""
      if (held.length < 100) continue
      for (const [chunks, was] of held) assert.isTrue(show(join(chunks)) === was, "a batch that is read has changed")
      held = []
    }
  })

  it("what finish gave never changes, whatever is written, truncated and finished afterwards", () => {
    const next = random(5)
    const writer = ByteWriter.make()
    const given: Array<readonly [Uint8Array, string]> = []
    const parts: Array<Uint8Array> = []
    for (let round = 0; round < 5000; round++) {
      const choice = next(10)
      if (choice < 5) parts.push(filled(next(200), next(256)))
      else if (choice < 6) parts.push(filled(4096 + next(3), next(256)))
      else if (choice < 7) parts.push(Uint8Array.of(next(256)))
      else if (choice < 9) {
        const all = join(parts)
        assert.strictEqual(writer.length, all.length)
        const at = next(all.length + 1)
        writer.truncate(at)
        parts.splice(0, parts.length, all.slice(0, at))
        continue
      } else {
        const chunks = writer.finish()
        assert.strictEqual(show(join(chunks)), show(join(parts)))
        given.push(...chunks.map((chunk) => [chunk, show(chunk)] as const))
        parts.length = 0
        continue
      }
      writer.bytes(parts.at(-1)!)
    }
    for (const [chunk, was] of given) assert.strictEqual(show(chunk), was)
  })

  it("batches of one small message share a buffer, and an idle writer holds no large one", () => {
    const writer = ByteWriter.make()
    const piece = filled(100, 1)
    const batch = (size: number) => {
      for (let written = 0; written < size; written += piece.length) writer.bytes(piece)
      return writer.finish()[0]!
    }
    const many = work(() => {
      for (let i = 0; i < 1000; i++) batch(100)
    })
    // Two slabs.
    assert.isAtMost(many.allocated, 2 * 65_536)
    const large = batch(100_000)
    assert.notStrictEqual(batch(100).buffer, large.buffer)
  })

  it("writers that write at once do not write over each other, and what one did not use another has", () => {
    const [one, other] = [ByteWriter.make(), ByteWriter.make()]
    const given: Array<readonly [Uint8Array, string]> = []
    for (let round = 0; round < 300; round++) {
      for (const [writer, byte] of [[one, 1], [other, 2], [one, 3]] as const) writer.bytes(filled(100 + round, byte))
      for (const writer of round % 2 === 0 ? [one, other] : [other, one]) {
        given.push(...writer.finish().map((chunk) => [chunk, toHex(chunk)] as const))
      }
    }
    const expected = (round: number) => [
      `${"01".repeat(100 + round)}${"03".repeat(100 + round)}`,
      "02".repeat(100 + round)
    ]
    given.forEach(([chunk, was], index) => {
      const [first, second] = expected(index >> 1)
      assert.strictEqual(was, (index % 2 === 0) === ((index >> 1) % 2 === 0) ? first : second)
      assert.strictEqual(toHex(chunk), was)
    })
  })

  it("text is UTF-8 wherever it stands: short, long, of characters that take more than one byte each", () => {
    const encoder = new TextEncoder()
    const writer = ByteWriter.make()
    for (const character of ["a", "\u00e9", "\u20ac", "\u{1f600}", "x\ud800y", "a\u20ac"]) {
      for (const times of [0, 1, 300, 1023, 1024, 1025, 16_384, 100_000]) {
        const text = character.repeat(times)
        writer.byte(0x3c)
        writer.text(text)
        writer.byte(0x3e)
        const written = join(writer.finish())
        assert.deepStrictEqual(written, encoder.encode(`<${text}>`))
      }
    }
  })

  it("text of single bytes is copied once, in room of its size", () => {
    const writer = ByteWriter.make()
    const done = work(() => {
      writer.text("a".repeat(100_000))
      writer.finish()
    })
    assert.isAtMost(done.allocated, 100_000)
    assert.strictEqual(done.copied, 0)
  })

  it("a large payload does not make the buffer of the next header large", () => {
    const writer = ByteWriter.make()
    const payload = filled(1_000_000, 1)
    const done = work(() => {
      for (let i = 0; i < 100; i++) {
        writer.uint(payload.length, 4, false)
        writer.bytes(payload)
        writer.finish()
      }
    })
    assert.isAtMost(done.allocated, 10_000)
  })

  it("what was handed over is gone with the next young collection, however long its writer had waited", () => {
    setFlagsFromString("--expose-gc")
    const collect = runInNewContext("gc") as (options?: { readonly type: "minor" }) => void
    const writers = Array.from({ length: 1000 }, () => ByteWriter.make())
    const round = () => {
      for (const writer of writers) {
        writer.uint(1, 4, false)
        writer.finish()
      }
      // What lives through two of them is old, and waits for a collection of everything.
      for (let i = 0; i < 2; i++) collect({ type: "minor" })
    }
    round()
    collect()
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < 20; i++) round()
    assert.isBelow(process.memoryUsage().heapUsed - before, 500_000)
  })
})

describe("ByteWriter.utf8", () => {
  it("is what the platform says, for short texts and long ones, and belongs to the caller", () => {
    const texts = ["", "a", "\u00e9", "\u20ac", "\u{1f600}", "\ufeffa", "x\ud800y", "\0"]
    const all = texts.flatMap((text) => [1, 100, 341, 342, 3000].map((times) => text.repeat(times)))
    const encoder = new TextEncoder()
    const made = all.map((text) => ByteWriter.utf8(text))
    made.forEach((utf8, index) => assert.strictEqual(toHex(utf8), toHex(encoder.encode(all[index]))))
    made[1]!.fill(0)
    assert.strictEqual(toHex(made[2]!), toHex(encoder.encode(all[2])))
  })
})
