import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import { join } from "node:path"
import * as Peer from "../../../tests/support/Peer.ts"
import * as Child from "../../core/test/support/Child.ts"
import { bounded, eventually } from "./support/index.ts"
import * as Regulars from "./support/Regulars.ts"

const systemd = Peer.socketActivate()

// systemd-socket-activate opens the socket and becomes what it starts: this, which starts the service again when it has ended,
// as `Restart=always` does. The variables are meant for the process that they name.
const service = `while :; do sh -c 'LISTEN_PID=$$ exec "$0" "$@"' "$@"; done`

const freePort = Effect.callback<number>((resume) => {
  const server = Net.createServer().listen(0, "127.0.0.1", () => {
    const bound = server.address()
    server.close(() => resume(Effect.succeed(typeof bound === "object" && bound !== null ? bound.port : 0)))
  })
})

const isListening = (address: Net.TcpNetConnectOpts): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const socket = Net.connect(address, () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.on("error", () => resume(Effect.succeed(false)))
  })

describe("a service that systemd passes its socket", { skip: systemd.skipped }, () => {
  for (const kind of ["server", "workers"]) {
    it.live(`${kind}: restarts under load lose no client and no answer${systemd.note}`, () =>
      bounded(
        Effect.gen(function*() {
          const address = { host: "127.0.0.1", port: yield* freePort }
          const program = join(import.meta.dirname, "support/activated.ts")
          const node = [process.execPath, "--conditions=@framewire/source", program, kind]
          const child = yield* Child.start("systemd-socket-activate", [
            `--listen=127.0.0.1:${address.port}`,
            "sh",
            "-c",
            service,
            "sh",
            ...node
          ])
          // The first client starts it.
          yield* Effect.repeat(isListening(address), { until: (it) => it })
          const { leave, tally } = yield* Regulars.come(address, 40)
          let accepted = 0
          for (let restart = 0; restart < 3; restart++) {
            const started = yield* child.next
            assert.property(started, "pid")
            const { pid } = started as { readonly pid: number }
            const before = tally.answered
            yield* eventually(() => tally.answered > before + 2000)
            if (restart === 2) yield* leave
            process.kill(pid, "SIGTERM")
            const { report } = (yield* child.next) as { readonly report: Record<string, number> }
            assert.strictEqual(report["finished"], report["open"])
            accepted += report["accepted"] ?? 0
          }
          assert.deepStrictEqual([tally.lost, tally.errors], [0, {}])
          // And the one that has started it.
          assert.strictEqual(accepted, tally.connected + 1)
          assert.isAbove(tally.goodbyes, 40)
        }),
        "30 seconds"
      ), 40_000)
  }
})
