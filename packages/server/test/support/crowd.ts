// node crowd.ts PORT COUNT: on a line of stdin, COUNT clients connect and ask at once; prints what each one saw.
import * as Net from "node:net"

const [port = 0, count = 0] = process.argv.slice(2).map(Number)

const visit = (index: number) =>
  new Promise<string>((resolve) => {
    let text = ""
    const socket = Net.connect({ host: "127.0.0.1", port }, () => socket.write(`${index}\n`))
    socket.on("data", (chunk) => {
      text += String(chunk)
    })
    socket.on("error", (error: NodeJS.ErrnoException) => {
      text += error.code
    })
    socket.on("close", () => resolve(text))
  })

console.log("ready")
process.stdin.once("data", () => {
  void Promise.all(Array.from({ length: count }, (_, index) => visit(index))).then((seen) => {
    console.log(JSON.stringify(seen))
    process.exit()
  })
})
