// node deaf.ts: listens, prints its port, and never accepts, so that the kernel lets nobody in once its queue is full.
import { writeSync } from "node:fs"
import * as Net from "node:net"

const server = Net.createServer()
server.listen({ host: "127.0.0.1", port: 0, backlog: 1 }, () => {
  writeSync(1, `${(server.address() as Net.AddressInfo).port}\n`)
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000)
  process.exit()
})
