// Decodes beside what passes. It borrows the bytes, never fails, and gives up rather than hold much.
import { ByteReader, type Codec, Decoder, FramingError, HexDump } from "@framewire/framing"
import * as Guess from "./Guess.ts"
import type { Side } from "./TapEvent.ts"
import type { Watch } from "./Watch.ts"

const shownBytes = 1024
const maxHeld = 67_108_864
/** Of one direction of one connection. */
export class Watcher {
  readonly #watch: Watch
  readonly #connection: number
  readonly #from: Side
  readonly #own: Codec.Framing | undefined
  readonly #reader = ByteReader.make()
  #step: Decoder.FrameStep | undefined
  /** Bytes that the watch counts as held by this. */
  #held = 0
  #number = 0
  #offset = 0
  #isOver = false

  /** Of the framing that the watch knows, unless it is told another. */
  constructor(watch: Watch, connection: number, from: Side, framing?: Codec.Framing) {
    this.#watch = watch
    this.#connection = connection
    this.#from = from
    this.#own = framing
  }

  get #framing(): Codec.Framing | "chunks" | undefined {
    return this.#own ?? this.#watch.framing
  }

  /** What came and is not known yet how to read. */
  get waiting(): Uint8Array {
    return this.#reader.peek(Guess.maxBytes)
  }

  /** Looks at a batch, which may be overwritten when this returns. */
  see(batch: ReadonlyArray<Uint8Array>): void {
    for (const chunk of batch) this.#watch.passed(this.#from, chunk.length)
    if (this.#isOver) return
    if (this.#framing === "chunks" && this.#step === undefined) return this.#showChunks(batch)
    for (const chunk of batch) this.#reader.lend(chunk)
    this.read()
    this.#reader.keep()
    if (this.#watch.held > maxHeld) {
      this.#trouble("NotWatched", "too many bytes wait for the rest of their frames")
      this.free()
    }
  }

  /** Reads what came, once the framing is known. */
  read(): void {
    const framing = this.#framing
    if (framing === "chunks") {
      const waiting = this.#reader.take(this.#reader.length)
      if (waiting.length > 0) this.#showChunks([waiting])
    } else if (framing !== undefined && !this.#isOver) {
      this.#decode(framing)
    }
    this.#account()
  }

  /** The stream has ended; a frame may have lacked its rest. */
  end(): void {
    this.#reader.end()
    this.read()
    this.free()
  }

  /** Looks at nothing any more, and holds nothing. */
  free(): void {
    this.#isOver = true
    this.#reader.skip(this.#reader.length)
    this.#account()
  }

  #account(): void {
    this.#watch.held += this.#reader.length - this.#held
    this.#held = this.#reader.length
  }

  #decode(framing: Codec.Framing): void {
    const step = this.#step ??= framing.decoder.start()
    for (;;) {
      const error = this.#watch.allowed > 0 ? this.#showNext(step, framing) : this.#countAll(step)
      if (error === "more") return
      if (error === undefined) continue
      this.#trouble(error.reason._tag, error.message)
      if (error instanceof FramingError.FrameError) return this.free()
    }
  }

  #countAll(step: Decoder.FrameStep): FramingError.FrameError | FramingError.MessageError | "more" {
    const before = this.#number
    const error = Decoder.visit(step, this.#reader, (_, start, end) => {
      this.#number++
      this.#watch.count(this.#from, end - start)
    })
    this.#watch.leave(this.#from, this.#number - before)
    return error ?? "more"
  }

  #showNext(step: Decoder.FrameStep, framing: Codec.Framing) {
    const reader = this.#reader
    const { discarded, offset } = reader
    const head = reader.peek(shownBytes)
    const into: Array<Uint8Array> = []
    const error = Decoder.run(step, reader, into, 1)
    const [frame] = into
    if (frame === undefined) return error ?? "more"
    // What was thrown away before it is not the frame's.
    const skipped = reader.discarded - discarded
    const size = reader.offset - offset - skipped
    const bytes = head.subarray(skipped, skipped + size)
    this.#show(
      offset + skipped,
      size,
      bytes,
      bytes.length === size
        ? HexDump.spans(bytes, framing)
        : [{ offset: 0, bytes, kind: "frame", frame: 0 }],
      frame.length
    )
    return error
  }

  #showChunks(batch: ReadonlyArray<Uint8Array>): void {
    for (const chunk of batch) {
      const bytes = chunk.slice(0, shownBytes)
      this.#show(this.#offset, chunk.length, bytes, [{ offset: 0, bytes, kind: "payload", frame: 0 }], chunk.length)
      this.#offset += chunk.length
    }
  }

  #show(offset: number, size: number, bytes: Uint8Array, spans: ReadonlyArray<HexDump.Span>, payload: number): void {
    this.#number++
    this.#watch.count(this.#from, payload)
    if (this.#watch.allowed <= 0) return this.#watch.leave(this.#from, 1)
    this.#watch.show()
    const { hub } = this.#watch
    hub.tell({
      _tag: "Frame",
      connection: this.#connection,
      from: this.#from,
      number: this.#number,
      offset,
      size,
      bytes,
      spans
    })
  }

  #trouble(error: string, message: string): void {
    this.#watch.hub.tell({ _tag: "Trouble", connection: this.#connection, from: this.#from, error, message })
  }
}
