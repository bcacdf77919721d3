// The sockets that a net.Server accepts, made as net.connect makes its own, and what they have of the one that listens.
import { channel } from "node:diagnostics_channel"
import * as Net from "node:net"
import type { Settings } from "./settings.ts"

// node:net tells of each socket that a server accepts.
const told = channel("net.server.socket")

type Accept = (this: unknown, error: number, handle: unknown) => void

/**
 * Has the server make each socket with `options`, some of which node:net has for the dialling side only, paused, and give it
 * to `onConnection`. It hangs on a private callback; where that is not found, sockets come by the event, as node:net makes them.
 */
export const accepting = (
  server: Net.Server,
  options: Net.SocketConstructorOpts,
  onConnection: (socket: Net.Socket) => void
): void => {
  const handle: unknown = Reflect.get(server, "_handle")
  const accept: unknown = typeof handle === "object" && handle !== null && Reflect.get(handle, "onconnection")
  if (typeof handle !== "object" || handle === null || typeof accept !== "function") return
  const ours: Accept = function(error, accepted) {
    if (error !== 0) return void Reflect.apply(accept, this, [error, accepted])
    // A socket that is made with noDelay believes that its handle knows, and tells it nothing.
    const made = { ...options, noDelay: false, handle: accepted, pauseOnCreate: true }
    const socket: unknown = Reflect.construct(Net.Socket, [made])
    if (!(socket instanceof Net.Socket)) throw new Error("node:net has made no socket")
    onConnection(socket)
    if (told.hasSubscribers) told.publish({ socket })
  }
  Reflect.set(handle, "onconnection", ours)
}

/**
 * Sets these options of the socket that listens, of which Linux gives them to all that it establishes from now on: to set them
 * of each costs five calls of the kernel, a twentieth of what a short connection takes. Whether it does.
 */
export const inherit = (server: Net.Server, { keepAlive, socket: { noDelay } }: Settings): boolean => {
  const handle: unknown = Reflect.get(server, "_handle")
  if (process.platform !== "linux" || typeof handle !== "object" || handle === null) return false
  if (typeof Reflect.get(handle, "setKeepAlive") !== "function") return false
  // node:net has these methods for no server: they are a socket's, of whatever has such a handle.
  const listening: Pick<Net.Socket, "setKeepAlive" | "setNoDelay"> = Object.create(Net.Socket.prototype, {
    _handle: { value: handle }
  })
  if (noDelay === true) listening.setNoDelay(true)
  if (keepAlive !== false) listening.setKeepAlive(true, keepAlive.idle, keepAlive.interval, keepAlive.count)
  return true
}
