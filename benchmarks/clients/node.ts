// A client by hand: promises in the order of the requests, one write a turn.
import * as Net from "node:net"
import type { Numbers, Total } from "../rpc/Sum.ts"
import { inFlight, isRunning, next, port } from "./harness.ts"

const socket = Net.connect({ host: "127.0.0.1", port, noDelay: true })
socket.on("error", (error) => {
  throw error
})
socket.on("close", () => {
  if (isRunning()) throw new Error("the server closed the connection")
})

const pending: Array<(total: Total) => void> = []
let first = 0
let out = ""
const ask = (numbers: Numbers): Promise<Total> =>
  new Promise((resolve) => {
    if (out === "") {
      queueMicrotask(() => {
        socket.write(out)
        out = ""
      })
    }
    out += `${JSON.stringify(numbers)}\n`
    pending.push(resolve)
  })

const decoder = new TextDecoder("utf-8", { fatal: true })
let rest = ""
socket.on("data", (chunk) => {
  const lines = (rest + decoder.decode(chunk as Buffer, { stream: true })).split("\n")
  rest = lines.pop()!
  for (const line of lines) {
    const answer = JSON.parse(line) as { readonly total?: unknown }
    if (typeof answer.total !== "number") throw new Error("a total expected")
    pending[first++]!({ total: answer.total })
  }
  if (first < 1024) return
  pending.splice(0, first)
  first = 0
})

const asking = async () => {
  for (let i = 0; isRunning(); i++) {
    const { answered, asked } = next(i)
    answered(await ask(asked))
  }
}
await Promise.all(Array.from({ length: inFlight }, asking))
