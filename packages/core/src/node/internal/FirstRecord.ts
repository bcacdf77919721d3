// What a client sends first. Whether it can be TLS is seen in plain bytes, before anything is made for it: anybody can connect and
// say nothing, or nonsense, and OpenSSL's state of a connection is half of what such a one costs, and most of its garbage.
import type * as Net from "node:net"
import { hearBytes, Hearer, leaveBytes, replaceHearer } from "./hearing.ts"

// ContentType `handshake`, and the high byte of every legacy_record_version (RFC 8446, section 5.1). The
// ClientHello of SSL 2, which OpenSSL still takes and RFC 6176 forbids to send, begins otherwise.
const start = [0x16, 0x03]

/** Whether a record of a handshake can begin so; undefined where too few bytes are there to know. */
const isHandshake = (chunks: ReadonlyArray<Uint8Array>): boolean | undefined => {
  let at = 0
  for (const chunk of chunks) {
    for (const byte of chunk) {
      if (byte !== start[at]) return false
      if (++at === start.length) return true
    }
  }
  return undefined
}

/** Exactly one of them is called, unless the wait is stopped before, or the socket is closed. */
export interface Answer {
  /** The socket is paused, and nobody listens for its bytes. These are all that came. */
  readonly onBegun: (received: ReadonlyArray<Uint8Array>) => void
  readonly onNotTls: () => void
  readonly onEnd: () => void
  readonly onError: (cause: unknown) => void
}

class FirstRecord extends Hearer {
  readonly #socket: Net.Socket
  readonly #received: Array<Uint8Array>
  readonly #answer: Answer
  /** Who hears the socket before and after. */
  readonly #hearer: Hearer | undefined
  #over = false

  constructor(socket: Net.Socket, received: Array<Uint8Array>, answer: Answer) {
    super()
    this.#socket = socket
    this.#received = received
    this.#answer = answer
    this.#hearer = replaceHearer(socket, this)
    hearBytes(socket)
    socket.resume()
  }

  stop(): void {
    if (this.#over) return
    this.#over = true
    this.#socket.pause()
    leaveBytes(this.#socket)
    replaceHearer(this.#socket, this.#hearer)
  }

  onRead(chunk: Uint8Array): void {
    this.onData(Buffer.from(chunk))
  }

  onData(chunk: Uint8Array): void {
    this.#received.push(chunk)
    const isBegun = isHandshake(this.#received)
    if (isBegun === undefined) return
    this.stop()
    if (isBegun) this.#answer.onBegun(this.#received)
    else this.#answer.onNotTls()
  }

  onEnd(): void {
    this.stop()
    this.#answer.onEnd()
  }

  onError(_socket: Net.Socket, cause: unknown): void {
    this.stop()
    this.#answer.onError(cause)
  }

  onFinish(socket: Net.Socket): void {
    this.#hearer?.onFinish(socket)
  }

  onClose(socket: Net.Socket): void {
    this.stop()
    this.#hearer?.onClose(socket)
  }
}

/** Waits for enough bytes behind those that were `received` to see whether a handshake begins; gives a way to stop. */
export const wait = (socket: Net.Socket, received: ReadonlyArray<Uint8Array>, answer: Answer): () => void => {
  const isBegun = isHandshake(received)
  if (isBegun === undefined) {
    // They may be lent.
    const record = new FirstRecord(socket, received.map((chunk) => Buffer.from(chunk)), answer)
    return () => record.stop()
  }
  if (isBegun) answer.onBegun(received)
  else answer.onNotTls()
  return () => {}
}
