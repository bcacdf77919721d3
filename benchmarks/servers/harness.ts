// What every server of the benchmarks does beside serving.
import type { Address } from "@framewire/core"

declare const gc: ((options: Record<"type" | "execution" | "flavor", string>) => void) | undefined

/** Says where it listens. It ends with its standard input, so that it never outlives who started it. */
export const listening = (address: Address.Address | { readonly port: number }): void => {
  if (!("port" in address)) throw new Error("a TCP port was expected")
  console.log(`listening ${address.port}`)
  process.stdin.on("end", () => process.exit(0))
  // Any input asks for a full collection that gives back what is free: what is left then is what the connections need.
  process.stdin.on("data", () => {
    gc?.({ type: "major", execution: "sync", flavor: "last-resort" })
    console.log("collected")
  })
}

/** As many as anybody asks for. */
export const address: Address.TcpAddress = { host: "127.0.0.1", port: 0 }
