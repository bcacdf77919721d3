// node attackers.ts NAME PORT: one kind of bad peers, at a pace that one process keeps up, until it is killed.
import * as Net from "node:net"
import { constants, setPriority } from "node:os"

// They share a core with the load generator, whose own waiting for it is not what is measured.
setPriority(constants.priority.PRIORITY_LOW)

const name = process.argv[2] ?? ""
const port = Number(process.argv[3])

const connect = (act: (socket: Net.Socket) => void, onClose: () => void = () => {}) => {
  const socket = Net.connect({ host: "127.0.0.1", port, noDelay: true }, () => act(socket))
  socket.on("error", () => {}).on("close", onClose).resume()
}

/** So many a second, each as short as it is. */
const rate = (perSecond: number, act: (socket: Net.Socket) => void) => () => {
  setInterval(() => {
    for (let i = 0; i < perSecond / 100; i++) connect(act)
  }, 10)
}

/** So many at a time: who is cut off comes again. */
const crowd = (count: number, act: (socket: Net.Socket) => void) => () => {
  const come = () => connect(act, () => setTimeout(come, 10))
  for (let i = 0; i < count; i++) come()
}

const frame = (size: number) => {
  const bytes = Buffer.alloc(4 + size, "x")
  bytes.writeUInt32BE(size)
  return bytes
}

/** Writes it again whenever there is room. */
const again = (socket: Net.Socket, bytes: Uint8Array) => {
  const more = () => {
    while (socket.writable && socket.write(bytes));
  }
  socket.on("drain", more)
  more()
}

const kinds: Readonly<Record<string, () => void>> = {
  "slow header": crowd(1000, () => {}),
  // Each at a time of its own in the second, as peers are that know nothing of each other.
  "one byte a second": crowd(1000, (socket) => {
    let timer = setTimeout(() => {
      timer = setInterval(() => socket.write("\0"), 1000)
    }, 1000 * Math.random())
    socket.on("close", () => clearInterval(timer))
  }),
  "never reads": crowd(100, (socket) => again(socket.pause(), frame(16_384))),
  "too long frames": rate(500, (socket) => socket.write(Buffer.alloc(65_536, 255))),
  "one that floods": crowd(1, (socket) => again(socket, Buffer.concat(Array.from({ length: 64 }, () => frame(16))))),
  resets: rate(1000, (socket) => socket.write(frame(16).subarray(0, 10), () => socket.resetAndDestroy())),
  "connects and vanishes": rate(1000, (socket) => socket.destroy()),
  "garbage for TLS": rate(500, (socket) => socket.write("GET / HTTP/1.1\r\n\r\n")),
  "forged PROXY": rate(1000, (socket) => socket.write("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"))
}

const begin = kinds[name]
if (begin === undefined) throw new Error(`one of ${Object.keys(kinds).join(", ")} was expected`)
process.stdin.resume().on("end", () => process.exit())
begin()
console.log("attacking")
