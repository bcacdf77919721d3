// node flood.ts PORT COUNT LINE: so many connections ask without an end, as fast as they may, and drop what they are answered.
// It ends with its standard input.
import * as Net from "node:net"

const [port = 0, count = 0] = process.argv.slice(2).map(Number)
const lines = Buffer.from(`${process.argv[4] ?? ""}\n`.repeat(1000))

for (let i = 0; i < count; i++) {
  const socket = Net.connect({ host: "127.0.0.1", port }).resume()
  const flood = () => {
    while (socket.writable && socket.write(lines));
  }
  socket.on("connect", flood).on("drain", flood).on("error", () => {})
}
process.stdin.resume().on("end", () => process.exit())
