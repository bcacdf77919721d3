/** The writer that batches share, because a buffer for each costs more than writing to it. */
import * as ByteWriter from "../ByteWriter.ts"

let idle: ByteWriter.ByteWriter | undefined

/** Lends it, empty; a codec that encodes within encode finds none, and gets one of its own. */
export const withWriter = <A>(use: (writer: ByteWriter.ByteWriter) => A): A => {
  const writer = idle ?? ByteWriter.make()
  idle = undefined
  try {
    return use(writer)
  } finally {
    writer.truncate(0)
    idle = writer
  }
}
