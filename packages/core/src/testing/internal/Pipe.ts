// One direction of a link, from the writer who waits for room, over the wire, to the reader who has not taken it yet.
import type * as Random from "effect/Random"
import type * as TransportReason from "../../TransportReason.ts"
import { type Medium, resolution } from "./Medium.ts"

type Reason = TransportReason.TransportReason

/** The end of a direction: FIN, or RST as the reason that it becomes. */
type Signal = "fin" | Reason

interface Segment {
  readonly content: Uint8Array | Signal
  /** When it leaves the writer's host. */
  readonly departs: number
  readonly arrives: number
}

interface Writing {
  readonly bytes: Uint8Array
  sent: number
  readonly settle: ((failure?: Reason) => void) | undefined
}

/** Who stands at the reader's end. */
export interface Receiver {
  readonly onBytes: (bytes: Uint8Array) => void
  readonly onReset: (reason: Reason) => void
}

export class Pipe {
  /** What the reader has not taken. */
  arrived: Array<Uint8Array> = []
  /** What comes after it. */
  end: Signal | undefined
  /** Told when there is something to take. */
  onReadable: (() => void) | undefined
  /** Nothing arrives any more, and nobody is told. */
  dead = false
  finSent = false

  readonly #medium: Medium
  readonly #random: Random.Random
  readonly #receiver: Receiver
  #writes: Array<Writing> = []
  /** The first of #writes that is not on the wire. */
  #writing = 0
  #wire: Array<Segment> = []
  /** The first of #wire that has not arrived. */
  #next = 0
  #room: number
  /** When the wire has sent what it was given. */
  #free = 0
  #lastArrival = 0
  /** Writing fails with it. */
  #broken: Reason | undefined
  /** The timer that counts; an older one is void. */
  #timer = 0
  #armed = false

  constructor(medium: Medium, random: Random.Random, receiver: Receiver) {
    this.#medium = medium
    this.#random = random
    this.#receiver = receiver
    this.#room = medium.conditions.buffer
  }

  /** Settles when the last byte is on the wire. Gives what ends the waiting. */
  write(chunks: ReadonlyArray<Uint8Array>, settle: (failure?: Reason) => void): () => void {
    if (this.#broken !== undefined) {
      settle(this.#broken)
      return () => {}
    }
    const writes = chunks.map((bytes, index): Writing => ({
      bytes,
      sent: 0,
      settle: index === chunks.length - 1 ? settle : undefined
    }))
    // A chunk an argument would be more than the stack has.
    for (const write of writes) this.#writes.push(write)
    this.#flow()
    return () => {
      const stopped = new Set(writes)
      this.#writes = this.#writes.slice(this.#writing).filter((write) => !stopped.has(write))
      this.#writing = 0
    }
  }

  /** FIN, behind all that is on the wire. */
  fin(): void {
    if (this.#broken !== undefined || this.finSent) return
    this.finSent = true
    this.#put("fin", 0)
  }

  /** RST: what has left the host arrives before it, the rest is lost. */
  reset(reason: Reason): void {
    if (this.#broken !== undefined) return
    const now = this.#medium.now()
    this.#wire = this.#wire.slice(this.#next).filter((segment) => segment.departs <= now)
    this.#next = 0
    this.#free = now
    this.#lastArrival = this.#wire.at(-1)?.arrives ?? now
    this.#rearm()
    this.#put(reason, 0)
    this.break(reason)
  }

  /** Writing fails from now on. What is on the wire arrives. */
  break(reason: Reason): void {
    if (this.#broken !== undefined) return
    this.#broken = reason
    const writes = this.#writes.slice(this.#writing)
    this.#writes = []
    this.#writing = 0
    for (const write of writes) write.settle?.(reason)
  }

  /** Nobody is there to whom it could go. */
  discard(): void {
    this.#wire = []
    this.#next = 0
    this.#rearm()
  }

  /** Ends the reading with this, behind what has arrived. */
  finish(end: Signal): void {
    this.end ??= end
    this.onReadable?.()
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.arrived.push(bytes)
    this.onReadable?.()
  }

  take(): Array<Uint8Array> {
    const taken = this.arrived
    this.arrived = []
    if (!this.dead) {
      for (const bytes of taken) this.#room += bytes.length
      this.#flow()
    }
    return taken
  }

  #flow(): void {
    for (let write = this.#writes[this.#writing]; write !== undefined; write = this.#writes[this.#writing]) {
      const { rechunk } = this.#medium.conditions
      while (write.sent < write.bytes.length) {
        if (this.#room <= 0) return
        const most = Math.min(this.#room, write.bytes.length - write.sent)
        const cut = rechunk < Infinity ? Math.ceil(this.#random.nextDoubleUnsafe() * rechunk) : most
        const size = Math.max(1, Math.min(cut, most))
        // A copy: the writer may change its bytes when it hears that they are sent.
        const bytes = write.bytes.slice(write.sent, write.sent + size)
        write.sent += size
        this.#room -= size
        this.#put(bytes, size)
      }
      this.#writing++
      // Not a shift each, which moves all the others.
      if (2 * this.#writing >= this.#writes.length) {
        this.#writes = this.#writes.slice(this.#writing)
        this.#writing = 0
      }
      write.settle?.()
    }
  }

  #put(content: Segment["content"], size: number): void {
    const departs = Math.max(this.#medium.now(), this.#free)
    this.#free = departs + size * 1000 / this.#medium.conditions.bandwidth
    // TCP keeps the order, whatever the wire does.
    this.#lastArrival = Math.max(this.#lastArrival, this.#free + this.#medium.latency(this.#random))
    this.#wire.push({ content, departs, arrives: this.#lastArrival })
    this.#arm()
  }

  #rearm(): void {
    this.#timer++
    this.#armed = false
    this.#arm()
  }

  #arm(): void {
    const head = this.#wire[this.#next]
    if (this.#armed || head === undefined || this.dead) return
    this.#armed = true
    const timer = ++this.#timer
    const run = (task: () => void) => () => {
      if (timer !== this.#timer) return
      this.#armed = false
      task()
    }
    if (this.#medium.healed.isOpen()) {
      this.#medium.after(head.arrives - this.#medium.now(), run(() => this.#deliver()))
    } else {
      this.#medium.park(run(() => this.#resend()))
    }
  }

  /** After a partition: what was lost on its way is sent again. */
  #resend(): void {
    const now = this.#medium.now()
    let last = 0
    this.#wire = this.#wire.slice(this.#next).map((segment) => {
      const late = segment.arrives <= now + resolution
      last = Math.max(last, late ? now + this.#medium.latency(this.#random) : segment.arrives)
      return { ...segment, arrives: last }
    })
    this.#next = 0
    this.#lastArrival = Math.max(this.#lastArrival, last)
    this.#arm()
  }

  #deliver(): void {
    const due = this.#medium.now() + resolution
    for (;;) {
      const head = this.#wire[this.#next]
      if (head === undefined || head.arrives > due || this.dead || !this.#medium.healed.isOpen()) break
      this.#next++
      this.#arrive(head.content)
    }
    if (this.#next === this.#wire.length) {
      this.#wire = []
      this.#next = 0
    }
    this.#arm()
  }

  #arrive(content: Segment["content"]): void {
    if (!(content instanceof Uint8Array)) {
      this.finish(content)
      if (content !== "fin") this.#receiver.onReset(content)
      return
    }
    this.#receiver.onBytes(content)
  }
}
