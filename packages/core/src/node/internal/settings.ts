// The options of a connection as node:net has them.
import * as Duration from "effect/Duration"
import type * as Net from "node:net"
import type { ConnectionOptions } from "../../Connection.ts"

/** What node:net takes for sockets that dial, and for those that are accepted. */
export type SocketSettings = Pick<Net.ServerOpts, "allowHalfOpen" | "noDelay" | "highWaterMark">

/** The options of a connection with every default filled in. */
export interface Settings {
  readonly lingerMillis: number
  readonly readBuffer: number
  readonly maxWriteBuffer: number
  readonly writeMillis: number
  readonly halfCloseMillis: number
  readonly readStallMillis: number
  readonly keepAlive: { readonly idle: number; readonly interval: number; readonly count: number } | false
  readonly socket: SocketSettings
}

export const settings = (options: ConnectionOptions = {}): Settings => {
  const keepAlive = options.keepAlive ?? {}
  return {
    lingerMillis: timerMillis(options.linger ?? "2 seconds"),
    readBuffer: Math.max(1, options.readBuffer ?? 65_536),
    maxWriteBuffer: options.maxWriteBuffer ?? 1_048_576,
    writeMillis: timerMillis(options.writeTimeout ?? "30 seconds"),
    halfCloseMillis: timerMillis(options.halfCloseTimeout ?? "5 minutes"),
    readStallMillis: timerMillis(options.readStallTimeout ?? "5 minutes"),
    keepAlive: keepAlive !== false && {
      idle: probeMillis(keepAlive.idle ?? "30 seconds"),
      interval: probeMillis(keepAlive.interval ?? "5 seconds"),
      count: Math.min(Math.max(Math.trunc(keepAlive.count ?? 4), 1), 127)
    },
    socket: {
      allowHalfOpen: true,
      noDelay: options.noDelay ?? true,
      // The stream is to hold nothing back: a paused one stops the platform at the next chunk.
      highWaterMark: 0
    }
  }
}

/** Timers of the platform turn what is above 2^31 - 1 ms into 1 ms. */
export const timerMillis = (duration: Duration.Input): number =>
  Math.min(Duration.toMillis(Duration.fromInputUnsafe(duration)), 2_147_483_647)

/** The kernel counts 1 to 32767 s; with anything else it keeps its own 2 h and says nothing. */
const probeMillis = (duration: Duration.Input): number => Math.min(Math.max(timerMillis(duration), 1000), 32_767_000)
