// A net.Server that listens: on a host and port, on a path, or on a descriptor that was inherited.
import * as Effect from "effect/Effect"
import { lstatSync, rmSync } from "node:fs"
import * as Net from "node:net"
import * as Address from "../../Address.ts"
import { ListenError } from "../../TransportError.ts"
import * as TransportReason from "../../TransportReason.ts"
import { accepting } from "./accepting.ts"
import { endpointProblem } from "./endpoint.ts"
import type { SocketSettings } from "./settings.ts"

export interface BindOptions {
  readonly socket: SocketSettings & Pick<Net.SocketConstructorOpts, "onread">
  readonly backlog: number
  readonly reusePort: boolean
  readonly ipv6Only: boolean
  readonly fd: number | undefined
  readonly onConnection: (socket: Net.Socket) => void
}

type Bound = Effect.Effect<Net.Server, TransportReason.TransportReason>

/** Only what was chosen by `fd` can turn out to be of the other kind than the address. */
const kindProblem = (server: Net.Server, local: Address.Address): TransportReason.InvalidAddress | undefined => {
  const bound = server.address()
  // A Unix socket does not tell its path: node:net knows that which it has bound itself.
  const isUnix = bound === null || typeof bound === "string"
  return isUnix === Address.isUnix(local) ? undefined : new TransportReason.InvalidAddress({
    detail: `the descriptor is a ${isUnix ? "Unix domain" : "TCP"} socket, unlike the address`
  })
}

const listenOnce = (local: Address.Address, options: BindOptions): Bound =>
  Effect.callback((resume) => {
    const { backlog, fd, ipv6Only, reusePort } = options
    const problem = fd === undefined || (Number.isInteger(fd) && fd >= 0 && fd < 2 ** 31)
      ? endpointProblem(local)
      : new TransportReason.InvalidAddress({ detail: `${fd} is no descriptor` })
    if (problem !== undefined) return resume(Effect.fail(problem))
    const server = Net.createServer({ ...options.socket, pauseOnConnect: true }, options.onConnection)
    server.on("error", (cause) => resume(Effect.fail(TransportReason.fromCause(cause))))
    server.listen(fd === undefined ? { ...local, backlog, ipv6Only, reusePort } : { fd, backlog }, () => {
      accepting(server, options.socket, options.onConnection)
      const mismatch = kindProblem(server, local)
      if (mismatch !== undefined) server.close()
      resume(mismatch === undefined ? Effect.succeed(server) : Effect.fail(mismatch))
    })
    // While the name resolves, node:net cannot be stopped.
    return Effect.sync(() => server.listening ? server.close() : server.once("listening", () => server.close()))
  })

/** Whether somebody listens there. Any answer but these two, as that the queue is full, says that somebody does. */
const isLive = (path: string): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const probe = Net.connect({ path }, () => {
      probe.destroy()
      resume(Effect.succeed(true))
    })
    probe.on("error", (error) => {
      const nobody = "code" in error && (error.code === "ECONNREFUSED" || error.code === "ENOENT")
      resume(Effect.succeed(!nobody))
    })
    return Effect.sync(() => probe.destroy())
  })

const statOf = (path: string) =>
  Effect.try({
    try: () => lstatSync(path, { bigint: true, throwIfNoEntry: false }),
    catch: TransportReason.fromCause
  })

/** Removes the socket that a process left there when it died. Nothing else is ever removed. */
const removeStale = (
  path: string,
  inUse: TransportReason.AddressInUse
): Effect.Effect<void, TransportReason.TransportReason> =>
  Effect.gen(function*() {
    const fail = (detail: string) =>
      Effect.fail(new TransportReason.AddressInUse({ code: inUse.code, cause: inUse.cause, detail }))
    const before = yield* statOf(path)
    // Its owner has closed it meanwhile.
    if (before === undefined) return
    if (!before.isSocket()) return yield* fail("there is a file that is not a socket")
    if (yield* isLive(path)) return yield* fail("another process listens there")
    const now = yield* statOf(path)
    // Another process has found it stale, too, and was faster.
    if (now === undefined || now.ino !== before.ino || now.ctimeNs !== before.ctimeNs) return
    yield* Effect.try({ try: () => rmSync(path, { force: true }), catch: TransportReason.fromCause })
  })

/** Binds and listens. A Unix socket that nobody listens on any more is replaced. */
export const bind = (local: Address.Address, options: BindOptions): Effect.Effect<Net.Server, ListenError> => {
  const once = listenOnce(local, options)
  // An abstract socket has no file.
  const bound = Address.isUnix(local) && !local.path.includes("\0")
    ? Effect.catchTag(once, "AddressInUse", (inUse) => Effect.andThen(removeStale(local.path, inUse), once))
    : once
  return Effect.mapError(bound, (reason) => new ListenError({ reason, local }))
}
