// node crowd.mjs PORT COUNT: on a line of stdin, COUNT clients connect and ask at once; prints what each one saw.
import * as Net from "node:net"

const [port, count] = process.argv.slice(2).map(Number)
console.log("ready")
process.stdin.once("data", async () => {
  const seen = await Promise.all(Array.from({ length: count }, (_, index) =>
    new Promise((resolve) => {
      let text = ""
      const socket = Net.connect({ host: "127.0.0.1", port }, () => socket.write(`${index}\n`))
      socket.on("data", (chunk) => text += chunk)
      socket.on("error", (error) => text += error.code)
      socket.on("close", () => resolve(text))
    })))
  console.log(JSON.stringify(seen))
  process.exit()
})
