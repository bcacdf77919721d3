// A connection that is another one in most things: what a class has, no spread copies.
import type { Connection } from "@framewire/core"

/** Everything is asked of `inner`; whoever extends it says what is different. */
export class Delegate implements Connection.Connection {
  protected readonly inner: Connection.Connection

  constructor(inner: Connection.Connection) {
    this.inner = inner
  }

  get id() {
    return this.inner.id
  }
  get local() {
    return this.inner.local
  }
  get remote() {
    return this.inner.remote
  }
  get receive() {
    return this.inner.receive
  }
  get receiveEach() {
    return this.inner.receiveEach
  }
  get lendEach() {
    return this.inner.lendEach
  }
  get send() {
    return this.inner.send
  }
  get sendAll() {
    return this.inner.sendAll
  }
  get sendAllUnsafe() {
    return this.inner.sendAllUnsafe
  }
  get shutdownWrite() {
    return this.inner.shutdownWrite
  }
  get shutdownRead() {
    return this.inner.shutdownRead
  }
  get close() {
    return this.inner.close
  }
  get abort() {
    return this.inner.abort
  }
  get upgradeTls() {
    return this.inner.upgradeTls
  }
  get tls() {
    return this.inner.tls
  }
  get traffic() {
    return this.inner.traffic
  }
  get draining() {
    return this.inner.draining
  }
  get state() {
    return this.inner.state
  }
  get closed() {
    return this.inner.closed
  }
}
