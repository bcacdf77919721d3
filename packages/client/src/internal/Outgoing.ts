// What a line has to say: the calls of one turn are one write, and one write is on its way at a time.
import type { Connection, TransportError } from "@framewire/core"
import { ByteWriter, Codec, type FramingError } from "@framewire/framing"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** What is told of its bytes. */
export interface Sendable {
  /** They were handed to the connection. */
  sent: boolean
  /** The kernel has them. */
  readonly onSent: (() => void) | undefined
}

/** Who has something to say. */
export interface Speaker<in A> {
  /** The codec refuses it, or throws something else. Nothing of it was sent. */
  readonly refused: (sendable: A, refusal: Exit.Exit<never, FramingError.MessageError>) => void
  /** Nothing more can be sent; undefined where that is no failure of the transport's. */
  readonly failed: (failure: TransportError.SendError | undefined) => void
}

export class Outgoing<in out Call, A extends Sendable> {
  readonly #connection: Connection.Connection
  readonly #codec: Codec.Codec<unknown, Call>
  readonly #fork: (effect: Effect.Effect<void>) => unknown
  readonly #speaker: Speaker<A>
  readonly #bytes = ByteWriter.make()
  #calls: Array<Call> = []
  /** Beside its call, where somebody is told. */
  #sendables: Array<A | undefined> = []
  #isWoken = false
  #isSending = false
  #isOver = false

  constructor(
    connection: Connection.Connection,
    codec: Codec.Codec<unknown, Call>,
    fork: (effect: Effect.Effect<void>) => unknown,
    speaker: Speaker<A>
  ) {
    this.#connection = connection
    this.#codec = codec
    this.#fork = fork
    this.#speaker = speaker
  }

  /** What goes out next was begun in this turn. */
  get isWoken(): boolean {
    return this.#isWoken
  }

  add(call: Call, sendable: A | undefined): void {
    this.#calls.push(call)
    this.#sendables.push(sendable)
    if (this.#isWoken || this.#isSending) return
    this.#isWoken = true
    // In a microtask, so that the calls of one turn become one write.
    queueMicrotask(this.flush)
  }

  /** What is here is never sent. */
  end(): void {
    this.#isOver = true
    this.#calls = []
    this.#sendables = []
  }

  /** Sends what there is, unless a write is on its way: that one is followed by it. */
  readonly flush = (): void => {
    this.#isWoken = false
    if (this.#isOver || this.#isSending || this.#calls.length === 0) return
    const sendables = this.#encode()
    if (this.#isOver || this.#bytes.length === 0) return
    for (const each of sendables) if (each !== undefined) each.sent = true
    const sending = this.#connection.sendAllUnsafe(this.#bytes.finish())
    const isSent: boolean = Exit.isExit(sending) && Exit.isSuccess(sending)
    if (isSent) {
      this.#bytes.recycle()
      return sentAll(sendables)
    }
    this.#isSending = true
    const sent = Effect.matchCause(sending, {
      onSuccess: () => sentAll(sendables),
      onFailure: (cause) => {
        const failure = cause.reasons.find(Cause.isFailReason)?.error
        const isSent = failure === undefined || failure.retry === "unsafe"
        for (const each of sendables) if (each !== undefined) each.sent = isSent
        this.#isOver = true
        this.#speaker.failed(failure)
      }
    })
    this.#fork(Effect.map(sent, () => {
      this.#isSending = false
      this.flush()
    }))
  }

  /** Writes the calls that the codec takes, and gives who is told of them. */
  #encode(): ReadonlyArray<A | undefined> {
    const calls = this.#calls
    const sendables = this.#sendables
    this.#calls = []
    this.#sendables = []
    if (this.#write(calls) === undefined) return sendables
    // One of them is bad, and only one by one shows which.
    return sendables.filter((sendable, index) => {
      const refusal = this.#write([calls[index]!])
      if (refusal !== undefined && sendable !== undefined) this.#speaker.refused(sendable, refusal)
      return refusal === undefined
    })
  }

  #write(calls: ReadonlyArray<Call>): Exit.Exit<never, FramingError.MessageError> | undefined {
    try {
      const refused = Codec.writeAll(this.#codec, calls, this.#bytes)
      return refused && Exit.fail(refused)
    } catch (defect) {
      return Exit.die(defect)
    }
  }
}

const sentAll = (sendables: ReadonlyArray<Sendable | undefined>): void => {
  for (const each of sendables) each?.onSent?.()
}
