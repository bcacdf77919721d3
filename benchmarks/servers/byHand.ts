// A server on node:net as a careful person writes it.
import * as Net from "node:net"
import { address, listening } from "./harness.ts"

/** `receive` gets each chunk and returns what to write, if anything. A peer that does not read is not read from. */
export const serve = (connected: () => (chunk: Buffer) => Uint8Array | undefined): void => {
  const server = Net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const receive = connected()
    socket.on("data", (chunk) => {
      // No encoding is set, so it is no string.
      const out = receive(chunk as Buffer)
      if (out === undefined || socket.write(out)) return
      socket.pause()
      socket.once("drain", () => socket.resume())
    })
    socket.on("end", () => socket.end())
    socket.on("error", () => socket.destroy())
  })
  server.listen(address, () => listening(server.address() as Net.AddressInfo))
}
