import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Command from "../../../tests/support/Command.ts"
import * as Socket from "../../../tests/support/Socket.ts"

const drained = /^framewire: drained (\d+) connections in \d+ ms: (\d+) finished, (\d+) reset\n$/

describe("serve echo", () => {
  it.live("prints one line when it listens, and sends lines back until the peer's FIN", () =>
    Effect.gen(function*() {
      const server = yield* Command.serve("lines")
      assert.isAbove(server.port, 0)
      const client = yield* Socket.connect(server.port)
      yield* client.write("one\n")
      assert.strictEqual(yield* client.received(4), "one\n")
      yield* client.write("\ntwo\r\nlast")
      yield* client.end
      assert.deepStrictEqual(yield* client.ended, { text: "one\n\ntwo\nlast\n", by: "FIN" })
      yield* server.signal("SIGTERM")
      const { stdout } = yield* server.ended
      assert.strictEqual(stdout, `listening 127.0.0.1:${server.port}\n`)
    }))

  it.live("sends u32be frames back, empty ones too, however they arrive", () =>
    Effect.gen(function*() {
      const server = yield* Command.serve("u32be")
      const client = yield* Socket.connect(server.port)
      const frames = "\0\0\0\x05hello\0\0\0\0\0\0\0\x01x"
      for (const byte of frames) yield* client.write(byte)
      assert.strictEqual(yield* client.received(frames.length), frames)
      yield* client.write(frames)
      yield* client.end
      assert.deepStrictEqual(yield* client.ended, { text: frames + frames, by: "FIN" })
    }))

  it.live("gives 200 clients at once their own bytes", () =>
    Effect.gen(function*() {
      const server = yield* Command.serve("lines")
      yield* Effect.forEach(
        Array.from({ length: 200 }, (_, i) => `client ${i}\n`.repeat(10)),
        (text) =>
          Effect.gen(function*() {
            const client = yield* Socket.connect(server.port)
            yield* client.write(text)
            yield* client.end
            assert.deepStrictEqual(yield* client.ended, { text, by: "FIN" })
          }).pipe(Effect.scoped),
        { concurrency: "unbounded", discard: true }
      )
    }))

  it.live("says on one line that the port is in use, exit code 1", () =>
    Effect.gen(function*() {
      const port = yield* Socket.listen(() => {})
      const { code, stderr, stdout } = yield* Command.run([
        "serve",
        "echo",
        "--framing",
        "lines",
        "--port",
        String(port)
      ])
      assert.strictEqual(stderr, `framewire: cannot listen on 127.0.0.1:${port}: the address is in use\n`)
      assert.deepStrictEqual([code, stdout], [1, ""])
    }))

  const badSpecs: ReadonlyArray<readonly [spec: string, column: number]> = [
    ["nope", 0],
    ["lines:crlf,foo", 11],
    ["u32be:limit=x", 6],
    ["length:width=4,endian=xe", 15],
    ["length:endian=le", 16]
  ]
  it.live.each(badSpecs)("shows where %j is wrong, exit code 2", ([spec, column]) =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* Command.run(["serve", "echo", "--port", "0", "--framing", spec])
      const lines = stderr.split("\n")
      assert.match(lines[0] ?? "", /^framewire: --framing: expected ./)
      assert.deepStrictEqual(lines.slice(1), [`  ${spec}`, `${" ".repeat(2 + column)}^`, ""])
      assert.deepStrictEqual([code, stdout], [2, ""])
    }))
})

describe("serve echo, when it is told to stop", () => {
  it.live.each(["SIGTERM", "SIGINT"] as const)(
    "%s: closes an idle connection by FIN, exit code 0",
    (signal) =>
      Effect.gen(function*() {
        const server = yield* Command.serve("lines")
        const client = yield* Socket.connect(server.port)
        yield* client.write("hello\n")
        yield* client.received(6)
        yield* server.signal(signal)
        assert.deepStrictEqual(yield* client.ended, { text: "hello\n", by: "FIN" })
        yield* client.end
        const { code, stderr } = yield* server.ended
        assert.deepStrictEqual(drained.exec(stderr)?.slice(1), ["1", "1", "0"])
        assert.strictEqual(code, 0)
        assert.strictEqual(yield* Effect.flip(Socket.connect(server.port)), "ECONNREFUSED")
      })
  )

  it.live("lets a slow answer arrive, exit code 0", () =>
    Effect.gen(function*() {
      const server = yield* Command.serve("lines", "--delay", "700")
      const client = yield* Socket.connect(server.port)
      yield* client.write("one\ntwo\n")
      // The first answer is the sign that the second one is being worked on.
      yield* client.received(4)
      yield* server.signal("SIGTERM")
      yield* Socket.closed(server.port)
      assert.deepStrictEqual(yield* client.ended, { text: "one\ntwo\n", by: "FIN" })
      yield* client.end
      const { code, stderr } = yield* server.ended
      assert.deepStrictEqual(drained.exec(stderr)?.slice(1), ["1", "1", "0"])
      assert.strictEqual(code, 0)
    }))

  it.live("answers what had arrived before the signal, though it was not read yet", () =>
    Effect.gen(function*() {
      const server = yield* Command.serve("lines")
      const client = yield* Socket.connect(server.port)
      yield* client.write("now\n")
      yield* server.signal("SIGTERM")
      assert.deepStrictEqual(yield* client.ended, { text: "now\n", by: "FIN" })
      yield* client.end
      const { code } = yield* server.ended
      assert.strictEqual(code, 0)
    }))

  it.live("ends at once by a second signal, with another exit code than 0", () =>
    Effect.gen(function*() {
      const server = yield* Command.serve("lines", "--delay", "60000")
      const client = yield* Socket.connect(server.port)
      yield* client.write("slow\n")
      yield* server.signal("SIGTERM")
      yield* Socket.closed(server.port)
      const began = Date.now()
      yield* server.signal("SIGINT")
      const { code } = yield* server.ended
      assert.isBelow(Date.now() - began, 5000)
      assert.strictEqual(code, 130)
    }))
})

describe("serve echo, with bad clients", () => {
  interface Bad {
    readonly name: string
    readonly framing: string
    readonly sent: string
    readonly echoed: string
    readonly complaint: string
    readonly good: string
  }
  const bad: ReadonlyArray<Bad> = [
    {
      name: "a line over the limit",
      framing: "lines:limit=4",
      sent: "ok\nfour\nfives\nafter\n",
      echoed: "ok\nfour\n",
      complaint: "a frame of 5 bytes, 4 are allowed",
      good: "good\n"
    },
    {
      name: "a line over the limit that does not end",
      framing: "lines:limit=4",
      sent: "ok\nfives",
      echoed: "ok\n",
      complaint: "a frame of 5 bytes, 4 are allowed",
      good: "good\n"
    },
    {
      name: "a length over the limit",
      framing: "u32be:limit=4",
      sent: "\0\0\0\x04four\0\0\0\x05fives",
      echoed: "\0\0\0\x04four",
      complaint: "a frame of 5 bytes, 4 are allowed",
      good: "\0\0\0\x04good"
    },
    {
      name: "a length beyond all measure",
      framing: "u32be",
      sent: "\0\0\0\x02ok\x7f\x7f\x7f\x7f" + "x".repeat(100_000),
      echoed: "\0\0\0\x02ok",
      complaint: "a frame of 2139062143 bytes, 1048576 are allowed",
      good: "\0\0\0\x04good"
    },
    {
      name: "a bare LF in strict CRLF",
      framing: "lines:crlf,strict",
      sent: "ok\r\nbare\nafter\r\n",
      echoed: "ok\r\n",
      complaint: "a line ends in LF alone, CRLF is required",
      good: "good\r\n"
    }
  ]
  it.live.each(bad)(
    "$name: frames before it are echoed, one line says why, others are served",
    (it) =>
      Effect.gen(function*() {
        const server = yield* Command.serve(it.framing)
        const other = yield* Socket.connect(server.port)
        yield* other.write(it.good)
        yield* other.received(it.good.length)
        const client = yield* Socket.connect(server.port)
        yield* client.write(it.sent)
        assert.deepStrictEqual(yield* client.ended, { text: it.echoed, by: "FIN" })
        yield* client.end
        const line = `framewire: client 127.0.0.1:${client.localPort}: ${it.complaint}\n`
        yield* server.printed(/client.*\n/)
        yield* other.write(it.good)
        yield* other.end
        assert.deepStrictEqual(yield* other.ended, { text: it.good + it.good, by: "FIN" })
        yield* server.signal("SIGTERM")
        const { code, stderr } = yield* server.ended
        assert.isTrue(stderr.startsWith(line), stderr)
        assert.match(stderr.slice(line.length), drained)
        assert.strictEqual(code, 0)
      })
  )

  it.live("a truncated frame: frames before it are echoed, one line says why", () =>
    Effect.gen(function*() {
      const server = yield* Command.serve("u32be")
      const client = yield* Socket.connect(server.port)
      yield* client.write("\0\0\0\x02ok\0\0\0\x05fiv")
      yield* client.end
      assert.deepStrictEqual(yield* client.ended, { text: "\0\0\0\x02ok", by: "FIN" })
      const [line] = yield* server.printed(/client.*\n/)
      assert.strictEqual(
        line,
        `client 127.0.0.1:${client.localPort}: the stream ended after 7 bytes of a frame of 9\n`
      )
    }))

  it.live("a client that resets ends alone", () =>
    Effect.gen(function*() {
      const server = yield* Command.serve("lines", "--delay", "300")
      const other = yield* Socket.connect(server.port)
      const client = yield* Socket.connect(server.port)
      yield* client.write("one\ntwo\n")
      yield* client.received(4)
      yield* client.reset
      yield* server.printed(/client 127\.0\.0\.1:\d+: .*reset.*\n/)
      yield* other.write("good\n")
      assert.strictEqual(yield* other.received(5), "good\n")
    }))

  it.live("goes on serving when nobody reads what it says about them", () =>
    Effect.gen(function*() {
      const server = yield* Command.serve("lines:limit=4")
      yield* server.closeErrors
      for (let i = 0; i < 3; i++) {
        const client = yield* Socket.connect(server.port)
        yield* client.write("fives")
        assert.deepStrictEqual(yield* client.ended, { text: "", by: "FIN" })
      }
      const other = yield* Socket.connect(server.port)
      yield* other.write("good\n")
      yield* other.end
      assert.deepStrictEqual(yield* other.ended, { text: "good\n", by: "FIN" })
    }))

  it.live("writes a bounded number of lines about 1000 of them, and counts the rest", () =>
    Effect.gen(function*() {
      const server = yield* Command.serve("u32be")
      const began = Date.now()
      yield* Effect.forEach(
        Array.from({ length: 1000 }),
        () =>
          Effect.gen(function*() {
            const client = yield* Socket.connect(server.port)
            yield* client.write(Uint8Array.of(0xff, 0xff, 0xff, 0xff))
            assert.deepStrictEqual(yield* client.ended, { text: "", by: "FIN" })
          }).pipe(Effect.scoped),
        { concurrency: 50, discard: true }
      )
      const seconds = Math.ceil((Date.now() - began) / 1000)
      yield* server.signal("SIGTERM")
      const { code, stderr } = yield* server.ended
      const lines = stderr.trimEnd().split("\n")
      const about = lines.filter((line) => /^framewire: client .* are allowed$/.test(line)).length
      const leftOut = lines.flatMap((line) => Number(/^framewire: (\d+) more lines left out$/.exec(line)?.[1] ?? 0))
      assert.isAtMost(about, 20 * (seconds + 1))
      assert.strictEqual(about + leftOut.reduce((sum, it) => sum + it, 0), 1000, stderr)
      assert.strictEqual(code, 0)
    }), 60_000)
})
