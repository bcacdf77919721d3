// What a line has to say: the requests of one turn are one write, and one write is on its way at a time.
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

export class Outgoing<in out Call> {
  readonly #connection: Connection.Connection
  readonly #codec: Codec.Codec<unknown, Call>
  readonly #fork: (effect: Effect.Effect<void>) => unknown
  /** Nothing more can be sent; undefined where that is no failure of the transport's. */
  readonly #failed: (failure: TransportError.SendError | undefined) => void
  readonly #bytes = ByteWriter.make()
  /** Those whose bytes are still here. */
  #unsent: Array<Sendable> = []
  #isWoken = false
  #isSending = false
  #isOver = false

  constructor(
    connection: Connection.Connection,
    codec: Codec.Codec<unknown, Call>,
    fork: (effect: Effect.Effect<void>) => unknown,
    failed: (failure: TransportError.SendError | undefined) => void
  ) {
    this.#connection = connection
    this.#codec = codec
    this.#fork = fork
    this.#failed = failed
  }

  /** Throws what the codec throws. */
  add(call: Call, sendable?: Sendable): FramingError.MessageError | undefined {
    const refused = Codec.write(this.#codec, call, this.#bytes)
    if (refused !== undefined) return refused
    if (sendable !== undefined) this.#unsent.push(sendable)
    this.#wake()
    return undefined
  }

  /** What is here is never sent. */
  end(): void {
    this.#isOver = true
  }

  /** In a microtask, so that the requests of one turn become one write. */
  #wake(): void {
    if (this.#isWoken || this.#isSending) return
    this.#isWoken = true
    queueMicrotask(() => {
      this.#isWoken = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#isOver || this.#isSending || this.#bytes.length === 0) return
    const batch = this.#unsent
    this.#unsent = []
    for (const each of batch) each.sent = true
    const sending = this.#connection.sendAllUnsafe(this.#bytes.finish())
    const isSent: boolean = Exit.isExit(sending) && Exit.isSuccess(sending)
    if (isSent) return sentAll(batch)
    this.#isSending = true
    const sent = Effect.matchCause(sending, {
      onSuccess: () => sentAll(batch),
      onFailure: (cause) => {
        const failure = cause.reasons.find(Cause.isFailReason)?.error
        for (const each of batch) each.sent = failure === undefined || failure.retry === "unsafe"
        this.#isOver = true
        this.#failed(failure)
      }
    })
    this.#fork(Effect.map(sent, () => {
      this.#isSending = false
      this.#flush()
    }))
  }
}

const sentAll = (batch: ReadonlyArray<Sendable>): void => {
  for (const { onSent } of batch) onSent?.()
}
