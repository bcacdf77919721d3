// What every client of the benchmarks does beside asking: PORT IN-FLIGHT SECONDS WARM-UP, and the same words on standard
// output as loadgen.c.
import { request, sum, type Total } from "../rpc/Sum.ts"

export const [port = 0, inFlight = 1, seconds = 1, warmup = 0] = process.argv.slice(2).map(Number)

let measuring = false
let running = true
const latencies: Array<number> = []

/** False when it is over. */
export const isRunning = (): boolean => running

/** A request, and what is to be done with its answer. */
export const next = (i: number) => {
  const from = performance.now()
  const asked = request(i % 1000)
  return {
    asked,
    answered: ({ total }: Total) => {
      if (total !== sum(asked).total) throw new Error(`${total} is not the sum of ${asked.numbers.join(", ")}`)
      if (measuring) latencies.push(performance.now() - from)
    }
  }
}

const micros = (quantile: number) => 1e3 * latencies[Math.floor(quantile * (latencies.length - 1))]!

setTimeout(() => {
  console.log("MEASURE")
  const cpu = process.cpuUsage()
  const from = performance.now()
  measuring = true
  setTimeout(() => {
    measuring = false
    running = false
    const elapsed = (performance.now() - from) / 1e3
    const { system, user } = process.cpuUsage(cpu)
    console.log("STOP")
    latencies.sort((a, b) => a - b)
    const [p50, p99, p999] = [micros(0.5), micros(0.99), micros(0.999)]
    const load = (system + user) / 1e6 / elapsed
    console.log(JSON.stringify({ frames: latencies.length, seconds: elapsed, bytes: 0, p50, p99, p999, load }))
    process.exit(latencies.length > 0 ? 0 : 4)
  }, seconds * 1e3)
}, warmup * 1e3)
