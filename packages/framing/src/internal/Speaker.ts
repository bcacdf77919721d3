// The Framed of one codec on what arrives: an Effect a batch, a call a message, a write a batch.
import { HandshakeReason, InvalidOption, type Tls, TransportError } from "@framewire/core"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Codec from "../Codec.ts"
import type * as Decoder from "../Decoder.ts"
import type { Framed, FramedError, FramedOptions } from "../Framed.ts"
import { FrameError, FrameTooLong, type MessageError } from "../FramingError.ts"
import { type Handle, Inbound, type Owner } from "./Inbound.ts"
import { isDone } from "./isDone.ts"
import { byteCount } from "./options.ts"
import { withWriter } from "./withWriter.ts"

// One read can bring 100,000 messages. When so many have been handled, it is the turn of other connections.
const messagesAtOnce = 512

// What a connection does not use it has no closure for: most of them are idle. Getters of functions, not methods, so that
// they can be passed on alone.
export class Speaker<In, Out> implements Framed<In, Out>, Owner<In> {
  readonly #inbound: Inbound
  readonly #codec: Codec.Codec<In, Out>
  #step: Decoder.Step<In>
  #one: Pull.Pull<In, FramedError> | undefined
  #all: Pull.Pull<Arr.NonEmptyReadonlyArray<In>, FramedError> | undefined

  constructor(inbound: Inbound, codec: Codec.Codec<In, Out>, options: FramedOptions | undefined) {
    InvalidOption.check(options, { frameTimeout: InvalidOption.duration })
    if (options?.frameTimeout !== undefined) inbound.millis = Duration.toMillis(options.frameTimeout)
    inbound.owner = this
    this.#inbound = inbound
    this.#codec = codec
    this.#step = this.#begin()
  }

  get connection() {
    return this.#inbound.connection
  }

  get receive() {
    return this.#one ??= Effect.map(this.#decode(1), (messages) => messages[0])
  }

  get receiveAll() {
    return this.#all ??= this.#decode(Number.POSITIVE_INFINITY)
  }

  get receiveEach() {
    return this.#each(false)
  }

  get lendEach() {
    return this.#each(true)
  }

  get messages() {
    return Stream.fromPull(Effect.succeed(this.receiveAll))
  }

  get send() {
    return (message: Out) => this.sendAll([message])
  }

  get sendAll() {
    return (messages: Iterable<Out>) =>
      this.#owned((fiber): Effect.Effect<void, TransportError.SendError | MessageError> => {
        const all = Arr.fromIterable(messages)
        const encoded = Codec.encodeAll(this.#codec, all)
        if (Result.isFailure(encoded)) return Effect.fail(encoded.failure)
        this.#inbound.attended(fiber).gave(all.length)
        return this.connection.sendAll(encoded.success)
      })
  }

  get sendAllUnsafe() {
    return (messages: Iterable<Out>) => {
      if (this.#inbound.owner !== this) return Inbound.stale
      return withWriter((writer): Effect.Effect<void, TransportError.SendError | MessageError> => {
        const all = Arr.fromIterable(messages)
        const refused = Codec.writeAll(this.#codec, all, writer)
        if (refused !== undefined) return Exit.fail(refused)
        // Nobody's fiber runs here.
        this.#inbound.progress?.gave(all.length)
        const sent = this.connection.sendAllUnsafe(writer.finish())
        if (isDone(sent)) writer.recycle()
        return sent
      })
    }
  }

  get raw(): Framed<In, Out>["raw"] {
    return (size, options) => {
      const inbound = this.#inbound
      const { reader } = inbound
      const limit = Codec.limitOf(options?.limit)
      byteCount("size", size, 0)
      const whole = inbound.pull(this, () => {
        if (inbound.failure === undefined && size > limit) {
          const reason = new FrameTooLong({ size, limit })
          inbound.failure = new FrameError({ reason, offset: reader.offset, head: reader.peek(16) })
        }
        const failed = inbound.fail()
        if (failed !== undefined) return failed
        if (reader.length >= size) {
          if (size > 0) this.#forget()
          return Effect.succeed(reader.take(size))
        }
        reader.need(size)
        return reader.ended ? inbound.truncated(size) : undefined
      })
      // Never Done: the end of the stream is Truncated.
      return Effect.catchIf(whole, Cause.isDone, Effect.die)
    }
  }

  get rawStream(): Framed<In, Out>["rawStream"] {
    return (size) => {
      const inbound = this.#inbound
      const { reader } = inbound
      byteCount("size", size, 0)
      return Stream.fromPull(Effect.sync(() => {
        let begun = false
        const begin = inbound.pull(this, () => {
          // Before anything is taken: who goes on after a bad message has its bytes still.
          const failed = inbound.fail()
          if (failed !== undefined) return failed
          begun = true
          if (size > 0) this.#forget()
          inbound.raw = size
          return next
        })
        const next: Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, FramedError> = inbound.pull(this, () => {
          if (inbound.raw === 0) return Cause.done()
          const failed = inbound.fail()
          if (failed !== undefined) return failed
          const part = Math.min(inbound.raw, reader.length)
          if (part === 0) return reader.ended ? inbound.truncated(inbound.raw) : undefined
          inbound.raw -= part
          return Effect.succeed(Arr.of(reader.take(part)))
        }, true)
        return Effect.suspend(() => begun ? next : begin)
      }))
    }
  }

  get rest(): Framed<In, Out>["rest"] {
    const inbound = this.#inbound
    const { reader } = inbound
    const everything = inbound.pull(
      this,
      (): Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, FramedError> | undefined => {
        const failed = inbound.fail()
        if (failed !== undefined) return failed
        if (reader.length === 0) return reader.ended ? Cause.done() : undefined
        this.#forget()
        return Effect.succeed(Arr.of(reader.take(reader.length)))
      }
    )
    return Stream.fromPull(Effect.succeed(everything))
  }

  get switchTo(): Framed<In, Out>["switchTo"] {
    return (codec, options) => this.#owned(() => Effect.succeed(new Speaker(this.#inbound, codec, options)))
  }

  get upgradeTls(): Framed<In, Out>["upgradeTls"] {
    return (tls) =>
      this.#owned((): Effect.Effect<Tls.Session, TransportError.HandshakeError> => {
        const { connection, failure, reader } = this.#inbound
        // A bad message that has not been reported yet has been taken, and is plaintext all the same.
        const bytes = reader.offset + reader.length - (failure?.offset ?? reader.offset)
        if (bytes > 0 && tls.received === undefined) {
          const { local, remote } = connection
          const reason = new HandshakeReason.PlaintextWaiting({ bytes })
          return Effect.andThen(
            connection.abort,
            Effect.fail(new TransportError.HandshakeError({ reason, local, remote }))
          )
        }
        const early = tls.received === undefined ? {} : { received: [...tls.received, reader.take(reader.length)] }
        // What a decoder remembers of plaintext has no say in what is secured.
        this.#step = this.#begin()
        return connection.upgradeTls({ ...tls, ...early })
      })
  }

  /** What comes next is taken as it is: a part of a frame that the decoder found in it was none. */
  #forget(): void {
    if (this.#inbound.isLookedAt) this.#step = this.#begin()
  }

  #begin(): Decoder.Step<In> {
    this.#inbound.reader.skipping = false
    return this.#codec.decoder.start()
  }

  /** The next messages, `atMost` of them. */
  #decode(atMost: number): Pull.Pull<Arr.NonEmptyReadonlyArray<In>, FramedError> {
    const inbound = this.#inbound
    return inbound.pull(this, (): Pull.Pull<Arr.NonEmptyReadonlyArray<In>, FramedError> | undefined => {
      const messages: Array<In> = []
      inbound.decode(this.#step, messages, atMost)
      if (Arr.isReadonlyArrayNonEmpty(messages)) return Effect.succeed(messages)
      return inbound.fail() ?? (inbound.reader.ended ? Cause.done() : undefined)
    })
  }

  #each(lends: boolean) {
    return <E, R>(handle: Handle<In, E, R>) => this.#inbound.each(this, handle, lends)
  }

  look<E, R>(handle: Handle<In, E, R>): Effect.Effect<void, E, R> | undefined {
    const messages: Array<In> = []
    this.#inbound.decode(this.#step, messages, messagesAtOnce)
    return Arr.isReadonlyArrayNonEmpty(messages) ? handle(messages) : undefined
  }

  /** Fails where this is over. */
  #owned<A, E>(run: (fiber: Fiber.Fiber<unknown, unknown>) => Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.withFiber((fiber) => this.#inbound.owner === this ? run(fiber) : Inbound.stale)
  }
}
