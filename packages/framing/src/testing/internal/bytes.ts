// What tests do with bytes.

/** Bytes that some framing gives a meaning to, and a letter. */
export const fillers = [
  0x00,
  0x01,
  0x0a,
  0x0d,
  0x1e,
  0x20,
  0x22,
  0x2c,
  0x30,
  0x3a,
  0x61,
  0x80,
  0xc0,
  0xdb,
  0xdc,
  0xdd,
  0xff
]

/** The chunks as one. */
export const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.length
  }
  return all
}

/** The bytes, so many times. */
export const repeat = (bytes: Uint8Array, times: number): Uint8Array =>
  concat(Array.from({ length: times }, () => bytes))

/** Chunks of `size` bytes; the last one has the rest. Each is memory of its own. */
export const inChunks = (bytes: Uint8Array, size: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.slice(index * size, (index + 1) * size))

/** Chunks of 1 to `most` bytes. */
export const atRandom = (
  bytes: Uint8Array,
  most: number,
  next: (below: number) => number
): ReadonlyArray<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length;) {
    const size = 1 + next(most)
    chunks.push(bytes.slice(at, at + size))
    at += size
  }
  return chunks
}

// Up to here a cut at every place costs little.
const everywhere = 512

/** Whole, byte by byte, in two at every place (of a long stream: at some), and at random. */
export function* cuttings(
  bytes: Uint8Array,
  next: (below: number) => number
): Generator<ReadonlyArray<Uint8Array>, void> {
  yield [bytes.slice()]
  yield inChunks(bytes, 1)
  const places = bytes.length <= everywhere ? bytes.length - 1 : 64
  for (let place = 1; place <= places; place++) {
    const at = bytes.length <= everywhere ? place : 1 + next(bytes.length - 1)
    yield [bytes.slice(0, at), bytes.slice(at)]
  }
  for (const most of [2, 5, 17, 300]) yield atRandom(bytes, most, next)
}
