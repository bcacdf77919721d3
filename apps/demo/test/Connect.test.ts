import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Socket as NodeSocket } from "node:net"
import * as Command from "../../../tests/support/Command.ts"
import * as Socket from "../../../tests/support/Socket.ts"

/** Sends this and FIN, and reads what the command sends, so that nothing of this is lost by a reset. */
const sends = (text: string) => (socket: NodeSocket) => {
  socket.resume()
  socket.end(text)
}

describe("connect", () => {
  it.live("sends each line as a frame, and prints each that comes back, the last line without its end too", () =>
    Effect.gen(function*() {
      const { port } = yield* Command.serve("lines")
      assert.deepStrictEqual(yield* Command.connect(port, "lines", "a\nb"), {
        code: 0,
        stdout: "a\nb\n",
        stderr: ""
      })
    }))

  it.live("does the same behind a length", () =>
    Effect.gen(function*() {
      const { port } = yield* Command.serve("u32be")
      assert.deepStrictEqual(yield* Command.connect(port, "u32be", "a\n\ngrüße\n"), {
        code: 0,
        stdout: "a\n\ngrüße\n",
        stderr: ""
      })
    }))

  it.live("prints nothing where standard input is empty, exit code 0", () =>
    Effect.gen(function*() {
      const { port } = yield* Command.serve("lines")
      assert.deepStrictEqual(yield* Command.connect(port, "lines"), { code: 0, stdout: "", stderr: "" })
    }))

  it.live("puts on the wire what the framing says, then FIN, and prints what comes after it", () =>
    Effect.gen(function*() {
      let received = ""
      const port = yield* Socket.listen((socket) => {
        socket.on("data", (chunk) => {
          received += chunk.toString("latin1")
        })
        socket.on("end", () => socket.end("\x03bye"))
      })
      const { code, stdout } = yield* Command.connect(port, "u8", "one\n\ntwo\n")
      assert.strictEqual(received, "\x03one\0\x03two")
      assert.deepStrictEqual([code, stdout], [0, "bye\n"])
    }))

  it.live("sends a line while standard input stays open", () =>
    Effect.gen(function*() {
      const { port } = yield* Command.serve("lines")
      const client = yield* Command.start("connect", `127.0.0.1:${port}`, "--framing", "lines")
      yield* client.write("one\n")
      yield* client.printed(/^one\n/)
      yield* client.write("two\n")
      yield* client.printed(/^one\ntwo\n/)
      yield* client.end
      assert.deepStrictEqual(yield* client.ended, { code: 0, stdout: "one\ntwo\n", stderr: "" })
    }))

  it.live("takes 5 MB both ways unharmed", () =>
    Effect.gen(function*() {
      const { port } = yield* Command.serve("u32be")
      const lines = Array.from({ length: 1000 }, (_, i) => `${i} ${"x".repeat(i * 10)}\n`).join("")
      assert.isAbove(lines.length, 5_000_000 - 10_000)
      const { code, stderr, stdout } = yield* Command.connect(port, "u32be", lines)
      assert.isTrue(stdout === lines, `${stdout.length} bytes of ${lines.length}`)
      assert.deepStrictEqual([code, stderr], [0, ""])
    }))

  it.live("prints every frame, however slow its reader is", () =>
    Effect.gen(function*() {
      // A little more than a pipe holds: the rest is with the command when it has no more to do.
      const lines = "0123456789\n".repeat(6400)
      const port = yield* Socket.listen(sends(lines))
      const { code, stdout } = yield* Command.shell(
        `"$@" | { sleep 1; cat; }`,
        "connect",
        `127.0.0.1:${port}`,
        "--framing",
        "lines"
      )
      assert.isTrue(stdout === lines, `${stdout.length} bytes of ${lines.length}`)
      assert.strictEqual(code, 0)
    }))

  it.live("ends when the peer has closed, though standard input is open", () =>
    Effect.gen(function*() {
      const port = yield* Socket.listen(sends("bye\n"))
      const client = yield* Command.start("connect", `127.0.0.1:${port}`, "--framing", "lines")
      assert.deepStrictEqual(yield* client.ended, { code: 0, stdout: "bye\n", stderr: "" })
    }))

  it.live("ends without a stack when nobody reads its output any more, as with head", () =>
    Effect.gen(function*() {
      const { port } = yield* Command.serve("lines")
      const client = yield* Command.start("connect", `127.0.0.1:${port}`, "--framing", "lines")
      yield* client.write("one\n")
      yield* client.printed(/^one\n/)
      yield* client.closeOutput
      yield* client.write("two\n".repeat(100_000))
      const { code, stderr } = yield* client.ended
      assert.deepStrictEqual([code, stderr], [141, ""])
    }))

  it.live("ends by a signal without a stack", () =>
    Effect.gen(function*() {
      const { port } = yield* Command.serve("lines")
      const client = yield* Command.start("connect", `127.0.0.1:${port}`, "--framing", "lines")
      yield* client.write("one\n")
      yield* client.printed(/^one\n/)
      yield* client.signal("SIGINT")
      assert.deepStrictEqual(yield* client.ended, { code: 130, stdout: "one\n", stderr: "" })
    }))
})

describe("connect, when it cannot", () => {
  it.live("says on one line that the port refuses, exit code 1, though standard input is open", () =>
    Effect.gen(function*() {
      const port = yield* Socket.refusing
      const client = yield* Command.start("connect", `127.0.0.1:${port}`, "--framing", "lines")
      assert.deepStrictEqual(yield* client.ended, {
        code: 1,
        stdout: "",
        stderr: `framewire: cannot connect to 127.0.0.1:${port}: connection refused\n`
      })
    }))

  it.live("says on one line that a name does not resolve, exit code 1", () =>
    Effect.gen(function*() {
      // .invalid never resolves (RFC 6761); without a network there may be no resolver to say so.
      const { code, stderr, stdout } = yield* Command.run(["connect", "nobody.invalid:7", "--framing", "lines"])
      assert.match(
        stderr,
        /^framewire: cannot connect to nobody\.invalid:7: (the name does not resolve|no resolver answered)\n$/
      )
      assert.deepStrictEqual([code, stdout], [1, ""])
    }))

  it.live.each(["127.0.0.1", "127.0.0.1:65536", "127.0.0.1:http", ":7", "::1:7"])(
    "says that %j is no address, exit code 2",
    (address) =>
      Effect.gen(function*() {
        const { code, stderr, stdout } = yield* Command.run(["connect", address, "--framing", "lines"])
        assert.match(stderr, /^framewire: ".*" is not an address: expected .*\n$/)
        assert.include(stderr, JSON.stringify(address))
        assert.deepStrictEqual([code, stdout], [2, ""])
      })
  )

  it.live("shows where the framing is wrong, exit code 2, before it connects", () =>
    Effect.gen(function*() {
      let connections = 0
      const port = yield* Socket.listen((socket) => {
        connections++
        socket.destroy()
      })
      const { code, stderr } = yield* Command.connect(port, "lines:lf")
      assert.match(stderr, /^framewire: --framing: expected .*\n {2}lines:lf\n {8}\^\n$/)
      assert.deepStrictEqual([code, connections], [2, 0])
    }))
})

describe("connect, with a bad peer", () => {
  interface Bad {
    readonly name: string
    readonly framing: string
    readonly sent: string
    readonly printed: string
    readonly complaint: string
  }
  const bad: ReadonlyArray<Bad> = [
    {
      name: "a line over the limit",
      framing: "lines:limit=4",
      sent: "ok\nfour\nfives\nafter\n",
      printed: "ok\nfour\n",
      complaint: "a frame of 5 bytes, 4 are allowed, at byte 8 of the stream: 66 69 76 65 73 \"fives\""
    },
    {
      name: "a length over the limit",
      framing: "u16be:limit=4",
      sent: "\0\x04four\0\x05fives",
      printed: "four\n",
      complaint: "a frame of 5 bytes, 4 are allowed, at byte 6 of the stream: 00 05 66 69 76 65 73 \"..fives\""
    },
    {
      name: "a truncated payload",
      framing: "u32be",
      sent: "\0\0\0\x02ok\0\0\0\x05fiv",
      printed: "ok\n",
      complaint:
        "the stream ended after 7 bytes of a frame of 9, at byte 6 of the stream: 00 00 00 05 66 69 76 \"....fiv\""
    },
    {
      name: "a truncated length",
      framing: "u32be",
      sent: "\0\0\0\x02ok\0\0",
      printed: "ok\n",
      complaint: "the stream ended after 2 bytes of a frame of 4, at byte 6 of the stream: 00 00 \"..\""
    }
  ]
  it.live.each(bad)("$name: prints the frames before it, then one line, exit code 1", (it) =>
    Effect.gen(function*() {
      const port = yield* Socket.listen(sends(it.sent))
      const client = yield* Command.start("connect", `127.0.0.1:${port}`, "--framing", it.framing)
      assert.deepStrictEqual(yield* client.ended, {
        code: 1,
        stdout: it.printed,
        stderr: `framewire: ${it.complaint}\n`
      })
    }))

  it.live("a reset: prints the frames before it, then one line, exit code 1", () =>
    Effect.gen(function*() {
      const port = yield* Socket.listen((socket) => {
        socket.write("one\n")
        socket.on("data", () => socket.resetAndDestroy())
      })
      const client = yield* Command.start("connect", `127.0.0.1:${port}`, "--framing", "lines")
      yield* client.printed(/^one\n/)
      yield* client.write("now\n")
      assert.deepStrictEqual(yield* client.ended, {
        code: 1,
        stdout: "one\n",
        stderr: `framewire: cannot receive from 127.0.0.1:${port}: the peer reset the connection\n`
      })
    }))
})

describe("connect, with lines that the framing refuses", () => {
  it.live("says which limit, sends the others, exit code 1", () =>
    Effect.gen(function*() {
      const { port } = yield* Command.serve("u8")
      const { code, stderr, stdout } = yield* Command.connect(port, "u8", `one\n${"x".repeat(256)}\ntwo\n`)
      assert.strictEqual(stdout, "one\ntwo\n")
      assert.strictEqual(
        stderr,
        "framewire: not sent: a frame of 256 bytes, 255 are allowed\nframewire: lines not sent: 1\n"
      )
      assert.strictEqual(code, 1)
    }))

  it.live("says so of a line over the limit of lines, too", () =>
    Effect.gen(function*() {
      const { port } = yield* Command.serve("lines")
      const { code, stderr, stdout } = yield* Command.connect(port, "lines:limit=3", "one\nfour\ntwo")
      assert.strictEqual(stdout, "one\ntwo\n")
      assert.match(stderr, /^framewire: not sent: a frame of 4 bytes, 3 are allowed\n/)
      assert.strictEqual(code, 1)
    }))

  it.live("sends what comes before a line that is longer than any may be, waits for the answers, exit code 1", () =>
    Effect.gen(function*() {
      const { port } = yield* Command.serve("lines", "--delay", "500")
      const { code, stderr, stdout } = yield* Command.connect(port, "lines", `one\n${"x".repeat(1_048_577)}\ntwo\n`)
      assert.strictEqual(stdout, "one\n")
      assert.match(stderr, /^framewire: standard input: a frame of 1048577 bytes, 1048576 are allowed.*\n$/)
      assert.strictEqual(code, 1)
    }))
})
