// A connection behind its PROXY header.
import { type Connection, Delegate, HandshakeReason, type Tls, TransportError } from "@framewire/core"
import type { ProxyHeader } from "@framewire/framing"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import type { Proxied } from "../ProxyProtocol.ts"

type Batch = NonEmptyReadonlyArray<Uint8Array>

export class Forwarded extends Delegate.Delegate implements Proxied {
  readonly header: ProxyHeader.ProxyHeader
  /** What came behind the header. */
  #rest: Uint8Array | undefined

  constructor(inner: Connection.Connection, header: ProxyHeader.ProxyHeader, rest: Uint8Array | undefined) {
    super(inner)
    this.header = header
    this.#rest = rest
  }

  get proxy() {
    return this.inner.remote
  }
  override get remote() {
    const { header } = this
    // Whoever asks is connected by a stream.
    return "source" in header && header.transport === "stream" ? header.source : this.inner.remote
  }

  override get receive() {
    const { inner } = this
    if (this.#rest === undefined) return inner.receive
    return Effect.suspend(() => this.#rest === undefined ? inner.receive : Effect.succeed(this.#take(this.#rest)))
  }

  override get receiveEach() {
    return this.#each(this.inner.receiveEach)
  }

  override get lendEach() {
    return this.#each(this.inner.lendEach)
  }

  #each(each: Connection.Each): Connection.Each {
    if (this.#rest === undefined) return each
    return (handle) =>
      Effect.suspend(() =>
        this.#rest === undefined ? each(handle) : Effect.andThen(handle(this.#take(this.#rest), 0), each(handle))
      )
  }

  override get upgradeTls() {
    const { inner } = this
    return (tls: Tls.Upgrade): Effect.Effect<Tls.Session, TransportError.HandshakeError> =>
      Effect.suspend(() => {
        const rest = this.#rest
        if (rest === undefined) return inner.upgradeTls(tls)
        this.#rest = undefined
        if (tls.received !== undefined) return inner.upgradeTls({ ...tls, received: [...tls.received, rest] })
        // As the connection itself refuses what waits in it.
        const { local, remote } = this
        const reason = new HandshakeReason.PlaintextWaiting({ bytes: rest.length })
        return Effect.andThen(inner.abort, Effect.fail(new TransportError.HandshakeError({ reason, local, remote })))
      })
  }

  #take(rest: Uint8Array): Batch {
    this.#rest = undefined
    return [rest]
  }
}
