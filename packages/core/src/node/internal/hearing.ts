// Who hears what a socket says. The listeners of every socket are the same functions: a closure for each would be a tenth of
// what a connection takes.
import type * as Net from "node:net"
import * as Lent from "./Lent.ts"

export abstract class Hearer {
  /** Bytes that are its own. */
  abstract onData(chunk: Uint8Array): void
  /** Bytes that are lent for this call. */
  abstract onRead(chunk: Uint8Array): void
  abstract onEnd(socket: Net.Socket): void
  abstract onFinish(socket: Net.Socket): void
  abstract onError(socket: Net.Socket, cause: unknown): void
  abstract onClose(socket: Net.Socket): void
}

const key = Symbol("framewire/Hearer")
const hearerOf = (socket: Net.Socket): Hearer | undefined => {
  const hearer: unknown = Reflect.get(socket, key)
  return hearer instanceof Hearer ? hearer : undefined
}

/** Listens to the socket until it is closed. */
export const hear = (socket: Net.Socket, hearer: Hearer): void => {
  Reflect.set(socket, key, hearer)
  hearBytes(socket)
  socket.on("end", onEnd)
  socket.on("finish", onFinish)
  socket.on("error", onError)
  socket.on("close", onClose)
}

/** From now on another one hears the socket; gives back who has until now. */
export const replaceHearer = (socket: Net.Socket, hearer: Hearer | undefined): Hearer | undefined => {
  const before = hearerOf(socket)
  Reflect.set(socket, key, hearer)
  return before
}

/** Its bytes go to the hearer. */
export const hearBytes = (socket: Net.Socket): void => {
  socket.on("data", onData)
}
/** Its bytes are read by somebody else, until they are heard again. */
export const leaveBytes = (socket: Net.Socket): void => {
  socket.off("data", onData)
}

function onData(this: Net.Socket, chunk: Uint8Array): void {
  hearerOf(this)?.onData(chunk)
}
/** Reads without a stream, the fast way: for sockets that read into the lent buffer. */
export const onread = Lent.onread(function(size, buffer) {
  hearerOf(this)?.onRead(buffer.subarray(0, size))
  // There is more: libuv would read it at once, 32 times, and let everybody else wait.
  if (size < buffer.length) return true
  setImmediate(readOn, this)
  return false
})
const readOn = (socket: Net.Socket): void => {
  if (!socket.isPaused() && !socket.destroyed) socket.resume()
}
function onEnd(this: Net.Socket): void {
  hearerOf(this)?.onEnd(this)
}
function onFinish(this: Net.Socket): void {
  hearerOf(this)?.onFinish(this)
}
function onError(this: Net.Socket, cause: unknown): void {
  hearerOf(this)?.onError(this, cause)
}
function onClose(this: Net.Socket): void {
  hearerOf(this)?.onClose(this)
  // To V8 a platform handle, and all that hangs on it, is alive until a major collection: a connection is not to be.
  Reflect.set(this, key, undefined)
}
