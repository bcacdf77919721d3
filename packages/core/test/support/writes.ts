import type * as Net from "node:net"

/** The size of every write that the socket hands to the platform from now on. */
export const writesOf = (socket: Net.Socket): ReadonlyArray<number> => {
  const log: Array<number> = []
  const write = socket._write.bind(socket)
  const writev = socket._writev!.bind(socket)
  socket._write = (chunk: Uint8Array, ...rest) => {
    log.push(chunk.length)
    write(chunk, ...rest)
  }
  socket._writev = (chunks, ...rest) => {
    log.push(chunks.reduce((sum, { chunk }: { readonly chunk: Uint8Array }) => sum + chunk.length, 0))
    writev(chunks, ...rest)
  }
  return log
}
