// node streamed.ts PORT SIZE TOTAL: frames of so many bytes behind eight bytes of length, until so many bytes have come back.
// It says what loadgen.c says. Each byte is compared: they repeat after a length that no buffer has.
import { once } from "node:events"
import { connect } from "node:net"

const [port = 0, size = 0, total = 0] = process.argv.slice(2).map(Number)

const cycle = 65_521
const pattern = Buffer.alloc(2 * cycle + 65_536)
for (let i = 0; i < pattern.length; i++) pattern[i] = Math.imul(i % cycle, 2_654_435_761) >>> 24

const socket = connect({ host: "127.0.0.1", port, noDelay: true })
await once(socket, "connect")

let wanted = Buffer.alloc(0)
let received = 0
let end = 0
let back = () => {}
socket.on("data", (chunk: Buffer) => {
  for (let at = 0; at < chunk.length;) {
    // First the header, then the pattern from its beginning.
    const done = received - (end - size - 8)
    const part = done < 8
      ? wanted.subarray(done)
      : pattern.subarray((done - 8) % cycle, (done - 8) % cycle + Math.min(cycle, end - received))
    const piece = chunk.subarray(at, at + part.length)
    if (!piece.equals(part.subarray(0, piece.length))) {
      console.error(`mismatch at byte ${received}`)
      process.exit(3)
    }
    at += piece.length
    received += piece.length
  }
  if (received === end) back()
})
socket.on("close", () => process.exit(4))

const exchange = async () => {
  wanted = Buffer.alloc(8)
  wanted.writeBigUInt64BE(BigInt(size))
  end += 8 + size
  const answered = new Promise<void>((resolve) => {
    back = resolve
  })
  socket.write(wanted)
  for (let sent = 0; sent < size;) {
    const piece = pattern.subarray(sent % cycle, sent % cycle + Math.min(cycle, size - sent))
    sent += piece.length
    if (!socket.write(piece)) await once(socket, "drain")
  }
  await answered
}

console.log("MEASURE")
const from = performance.now()
const cpu = process.cpuUsage()
for (let left = total; left > 0; left -= size) await exchange()
const seconds = (performance.now() - from) / 1e3
const { system, user } = process.cpuUsage(cpu)
console.log("STOP")
// Counted in patterns, so that CPU a million is of the same bytes, however long the frames.
const counted = { frames: received / cycle, seconds, bytes: received, load: (system + user) / 1e6 / seconds }
console.log(JSON.stringify({ ...counted, p50: 0, p99: 0, p999: 0 }))
process.exit(0)
