import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createClient } from "redis"
import * as Example from "../support/Example.ts"
import * as Peer from "../support/Peer.ts"
import * as Process from "../support/Process.ts"

const cli = Peer.redis()
const server = "redis/server.ts"

describe("example redis", () => {
  it.live("answers the redis client of npm, that of any bytes too, and refuses what it does not know", () =>
    Effect.gen(function*() {
      const { port } = yield* Example.serve(server)
      yield* Effect.promise(async () => {
        const client = await createClient({ socket: { host: "127.0.0.1", port } }).connect()
        try {
          assert.strictEqual(await client.set("a", "1"), "OK")
          assert.deepStrictEqual(await Promise.all([client.get("a"), client.get("b"), client.ping()]), [
            "1",
            null,
            "PONG"
          ])
          const odd = "\u20ac\r\n\0"
          await client.set(odd, odd)
          assert.deepStrictEqual(await client.mGet(["a", odd, "b"]), ["1", odd, null])
          assert.strictEqual(await client.del(["a", odd, "b"]), 2)
          const failed = await client.incr("a").catch((error: Error) => error.message)
          assert.strictEqual(failed, "ERR unknown command \"INCR\"")
          const words = await client.sendCommand(["SET", "a"]).catch((error: Error) => error.message)
          assert.strictEqual(words, "ERR wrong number of arguments for 'set' command")
        } finally {
          client.destroy()
        }
      })
    }))

  it.live("takes no more than its memory, and takes again what was deleted", () =>
    Effect.gen(function*() {
      const { port } = yield* Example.serve(server)
      yield* Effect.promise(async () => {
        const client = await createClient({ socket: { host: "127.0.0.1", port } }).connect()
        try {
          const large = "x".repeat(1_000_000)
          const keys = Array.from({ length: 80 }, (_, index) => `key${index}`)
          const answers = []
          for (const key of keys) answers.push(await client.set(key, large).catch((error: Error) => error.message))
          assert.strictEqual(answers.filter((it) => it === "OK").length, 67)
          assert.strictEqual(answers.at(-1), "OOM command not allowed when used memory > 'maxmemory'.")
          assert.strictEqual(await client.set("key0", "small"), "OK")
          assert.strictEqual(await client.set("last", large.slice(1000)), "OK")
          const all = await client.mGet(Array.from({ length: 60 }, () => "key1"))
          assert.strictEqual(all.join("").length, 60_000_000)
        } finally {
          client.destroy()
        }
      })
    }))

  describe.skipIf(cli.skipped)(`redis-cli${cli.note}`, () => {
    it("is here", () => assert.isUndefined(cli.problem))

    it.live("gets its answers", () =>
      Effect.gen(function*() {
        const { port } = yield* Example.serve(server)
        const commands = "PING\nSET key \"a b\"\nGET key\nGET none\nDEL key none\nGET\nNOPE\nping hi\nHELLO 4\n"
        const { code, stderr, stdout } = yield* Process.run("redis-cli", ["-p", String(port), "--no-raw"], commands)
        assert.deepStrictEqual([code, stderr], [0, ""])
        assert.deepStrictEqual(stdout.trimEnd().split("\n"), [
          "PONG",
          "OK",
          "\"a b\"",
          "(nil)",
          "(integer) 1",
          "(error) ERR wrong number of arguments for 'get' command",
          "(error) ERR unknown command \"NOPE\"",
          "\"hi\"",
          "(error) NOPROTO unsupported protocol version"
        ])
      }))

    it.live("redis-benchmark comes to its end, pipelined by 16", () =>
      Effect.gen(function*() {
        const { port } = yield* Example.serve(server)
        const args = ["-p", String(port), "-t", "ping,set,get", "-P", "16", "-n", "20000", "--csv"]
        const { code, stdout } = yield* Process.run("redis-benchmark", args)
        assert.strictEqual(code, 0)
        const rates = stdout.trimEnd().split("\n").slice(1).map((line) => line.split(","))
        assert.deepStrictEqual(rates.map(([test]) => test), ["\"PING_INLINE\"", "\"PING_MBULK\"", "\"SET\"", "\"GET\""])
        for (const [, rate = ""] of rates) assert.isAbove(Number(rate.replaceAll("\"", "")), 1000)
      }))
  })
})
