/** What the options of every transport may be. */
import * as Effect from "effect/Effect"
import type { ConnectionOptions, KeepAlive } from "../Connection.ts"
import * as InvalidOption from "../InvalidOption.ts"
import type { ListenOptions } from "../Listener.ts"
import type { TlsOptions } from "../Tls.ts"
import type { ConnectOptions } from "../Transport.ts"

const { check, duration, whole } = InvalidOption

const connection: InvalidOption.Rules<ConnectionOptions> = {
  linger: duration,
  readBuffer: whole(0),
  maxWriteBuffer: whole(0),
  writeTimeout: duration,
  halfCloseTimeout: duration,
  readStallTimeout: duration
}
const listening: InvalidOption.Rules<ListenOptions> = { ...connection, backlog: whole(0) }
const connecting: InvalidOption.Rules<ConnectOptions> = { ...connection, timeout: duration, attemptDelay: duration }

const probes: InvalidOption.Rules<KeepAlive> = { idle: duration, interval: duration, count: whole(0) }
const checkKeepAlive = ({ keepAlive }: ConnectionOptions): void => {
  if (typeof keepAlive === "object") check(keepAlive, probes, "keepAlive.")
}

const checkTls = (tls: TlsOptions | undefined): void => check(tls, { handshakeTimeout: duration }, "tls.")

/** Throws `InvalidOption`. */
export const checkListen = (options: ListenOptions): void => {
  check(options, listening)
  checkKeepAlive(options)
  // What an effect gives is asked for later.
  if (!Effect.isEffect(options.tls)) checkTls(options.tls)
}

/** Throws `InvalidOption`. */
export const checkConnect = (options: ConnectOptions): void => {
  check(options, connecting)
  checkKeepAlive(options)
  checkTls(options.tls)
}
