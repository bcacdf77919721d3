import { assert, describe, it } from "@effect/vitest"
import { type Codec, LengthPrefixed } from "@framewire/framing"
import * as Effect from "effect/Effect"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import type { Socket as NodeSocket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Command from "../../../tests/support/Command.ts"
import * as Socket from "../../../tests/support/Socket.ts"
import * as Hub from "../src/tap/Hub.ts"
import { Watch } from "../src/tap/Watch.ts"
import { Watcher } from "../src/tap/Watcher.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-tap-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

/** A tap before the port, once it listens. */
const start = Effect.fnUntraced(function*(port: number, ...args: ReadonlyArray<string>) {
  const tap = yield* Command.start("tap", "--listen", "127.0.0.1:0", "--to", `127.0.0.1:${port}`, ...args)
  const [, at] = yield* tap.printed(/127\.0\.0\.1:(\d+)/)
  return { ...tap, port: Number(at) }
})

const echo = (socket: NodeSocket) => void socket.pipe(socket)

const eventsOf = (stdout: string): ReadonlyArray<Record<string, unknown>> =>
  stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>)

describe("tap", () => {
  it.live("shows a life and its frames, and changes no byte", () =>
    Effect.gen(function*() {
      const tap = yield* start(yield* Socket.listen(echo), "--framing", "u16be")
      const client = yield* Socket.connect(tap.port)
      yield* client.write("\0\x05hello\0\0")
      assert.strictEqual(yield* client.received(9), "\0\x05hello\0\0")
      yield* client.end
      assert.deepStrictEqual(yield* client.ended, { text: "\0\x05hello\0\0", by: "FIN" })
      yield* tap.printed(/closed: client graceful, server graceful/)
      yield* tap.signal("SIGINT")
      const { code, stderr, stdout } = yield* tap.ended
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepStrictEqual(
        stdout.trimEnd().split("\n").map((line) => line.slice(14).replaceAll(/127\.0\.0\.1:\d+/g, "A")),
        [
          "listening A, to A",
          "#1 accepted A",
          "#1 open",
          "#1 -> 1  7 bytes  00 05 68 65 6c 6c 6f  \"hello\"",
          "#1 -> 2  2 bytes  00 00  \"\"",
          "#1 <- 1  7 bytes  00 05 68 65 6c 6c 6f  \"hello\"",
          "#1 <- 2  2 bytes  00 00  \"\"",
          "#1 half-closed by the client",
          "#1 half-closed by the server",
          "#1 closed: client graceful, server graceful"
        ]
      )
    }))

  it.live("keeps a half-close: what the server says after the client's FIN arrives", () =>
    Effect.gen(function*() {
      const port = yield* Socket.listen((socket) => void socket.resume().on("end", () => socket.end("late\n")))
      const tap = yield* start(port, "--framing", "lines")
      const client = yield* Socket.connect(tap.port)
      yield* client.end
      assert.deepStrictEqual(yield* client.ended, { text: "late\n", by: "FIN" })
    }))

  it.live("passes a reset on, from the client and from the server", () =>
    Effect.gen(function*() {
      let seen = ""
      const port = yield* Socket.listen((socket) => {
        socket.on("error", (error: NodeJS.ErrnoException) => seen += error.code)
        socket.on("data", (chunk) => chunk.toString() === "reset\n" && socket.resetAndDestroy())
      })
      const tap = yield* start(port, "--framing", "lines")
      const one = yield* Socket.connect(tap.port)
      yield* one.write("reset\n")
      assert.strictEqual((yield* one.ended).by, "ECONNRESET")
      yield* tap.printed(/#1 closed: client reset by the tap, server reset by it/)

      const two = yield* Socket.connect(tap.port)
      yield* two.write("hello\n")
      yield* tap.printed(/"hello"/)
      yield* two.reset
      yield* tap.printed(/#2 closed: client reset by it, server reset by the tap/)
      assert.strictEqual(seen, "ECONNRESET")
    }))

  it.live("says what is no frame, and passes it all the same", () =>
    Effect.gen(function*() {
      const tap = yield* start(yield* Socket.listen(echo), "--framing", "u16be:limit=4")
      const client = yield* Socket.connect(tap.port)
      yield* client.write("\x01\x01five and more")
      assert.strictEqual(yield* client.received(15), "\x01\x01five and more")
      yield* tap.printed(/#1 -> FrameTooLong: a frame of 257 bytes, 4 are allowed/)
      yield* client.write("again")
      assert.strictEqual(yield* client.received(20), "\x01\x01five and moreagain")
    }))

  it.live("shows few of many frames, counts the others, and passes all of 20 MB", () =>
    Effect.gen(function*() {
      const tap = yield* start(yield* Socket.listen(echo), "--framing", "lines", "--frames", "5", "--json")
      const client = yield* Socket.connect(tap.port)
      const text = "0123456789abcde\n".repeat(1_250_000)
      yield* client.write(text)
      yield* client.end
      const { by, text: back } = yield* client.ended
      assert.isTrue(back === text, `${back.length} of ${text.length}`)
      assert.strictEqual(by, "FIN")
      yield* tap.printed(/"Closed".*\n.*"Rates"/)
      yield* tap.signal("SIGTERM")
      const events = eventsOf((yield* tap.ended).stdout)
      const sum = (side: string, what: string) =>
        events.filter((event) => event["_tag"] === "Rates").reduce(
          (all, event) => all + Number((event[side] as Record<string, unknown>)[what]),
          0
        )
      const shown = (from: string) =>
        events.filter((event) => event["_tag"] === "Frame" && event["from"] === from).length
      for (const side of ["client", "server"]) {
        assert.strictEqual(sum(side, "bytes"), text.length)
        assert.strictEqual(sum(side, "frames"), 1_250_000)
        assert.strictEqual(sum(side, "left") + shown(side), 1_250_000)
      }
    }))

  it.live("writes control characters out, and needs no colours where there is no terminal", () =>
    Effect.gen(function*() {
      const tap = yield* start(yield* Socket.listen(echo), "--framing", "lines")
      const client = yield* Socket.connect(tap.port)
      yield* client.write("\x1b[31mred\n")
      yield* tap.printed(/"\\e\[31mred"/)
      yield* tap.signal("SIGINT")
      assert.notInclude((yield* tap.ended).stdout, "\x1b")
    }))

  it.live("resets the client where the server refuses, and says why", () =>
    Effect.gen(function*() {
      const tap = yield* start(yield* Socket.refusing, "--framing", "lines")
      const client = yield* Socket.connect(tap.port)
      assert.strictEqual((yield* client.ended).by, "ECONNRESET")
      yield* tap.printed(/#1 <- ConnectionRefused: cannot connect to 127\.0\.0\.1:\d+: connection refused/)
    }))
})

describe("tap, without --framing", () => {
  const streams: ReadonlyArray<readonly [name: string, spec: string, bytes: string]> = [
    ["text", "lines", "hello\nworld\n"],
    ["lines of JSON", "lines", "{\"a\":1}\n[2]\n"],
    ["HTTP/1", "lines", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["RESP", "lines", "*1\r\n$4\r\nPING\r\n"],
    ["u32be", "u32be", "\0\0\0\x05hello"],
    ["u32le", "u32le", "\x05\0\0\0hello"],
    ["u16be", "u16be", "\0\x05hello"],
    ["u16le", "u16le", "\x05\0hello"],
    ["varint", "varint", "\x05hello\x02hi"],
    ["much text at once", "lines", "hello world\n".repeat(400)],
    ["many lines of JSON at once", "lines", "{\"a\":1}\n".repeat(600)],
    ["much of u32be at once", "u32be", "\0\0\0\x05hello".repeat(500)],
    ["much of u16le at once", "u16le", "\x05\0hello".repeat(700)],
    ["a long first frame", "u32be", `\0\0\x0b\x70${"x".repeat(2928)}`.repeat(2)],
    ["TLS", "length:width=2,offset=3,strip=0", "\x16\x03\x01\0\x05hello"]
  ]
  it.live.each(streams)("%s: says that it guesses, and what", ([, spec, bytes]) =>
    Effect.gen(function*() {
      const tap = yield* start(yield* Socket.listen(echo))
      const client = yield* Socket.connect(tap.port)
      yield* client.write(bytes)
      yield* client.received(bytes.length)
      yield* tap.printed(new RegExp(`framing guessed: ${spec} .*--framing says another`))
      yield* tap.printed(/#1 -> 1 /)
    }))

  it.live("shows chunks where nothing fits", () =>
    Effect.gen(function*() {
      const tap = yield* start(yield* Socket.listen(echo))
      const client = yield* Socket.connect(tap.port)
      yield* client.write(Buffer.alloc(5000, 0xff))
      yield* client.received(5000)
      yield* tap.printed(/framing guessed: none /)
      yield* tap.printed(/#1 -> 1  \d+ bytes {2}ff ff/)
    }))
})

describe("tap --record, and replay", () => {
  it.live("writes vectors, and says whether a server answers the same", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "seen.json")
      const port = yield* Socket.listen(echo)
      const tap = yield* start(port, "--framing", "lines", "--record", file)
      const client = yield* Socket.connect(tap.port)
      yield* client.write("one\n")
      yield* client.received(4)
      yield* client.write("two\n")
      yield* client.end
      yield* client.ended
      yield* tap.printed(/closed/)
      yield* tap.signal("SIGINT")
      yield* tap.ended
      const [fromClient] = JSON.parse(readFileSync(file, "utf8")) as ReadonlyArray<Record<string, unknown>>
      assert.strictEqual(fromClient?.["id"], "tap-1-client")
      assert.deepStrictEqual(fromClient?.["expect"], [{ frame: "6f6e65", at: 0 }, { frame: "74776f", at: 1 }])

      assert.deepStrictEqual(yield* Command.run(["replay", file, "--to", `127.0.0.1:${port}`]), {
        code: 0,
        stdout: "tap-1: 2 answers, the same\n",
        stderr: ""
      })
      const other = yield* Socket.listen((socket) => void socket.on("data", () => socket.end("one\nthree\n")))
      const { code, stdout } = yield* Command.run(["replay", file, "--to", `127.0.0.1:${other}`])
      assert.strictEqual(code, 1)
      assert.include(stdout, "tap-1: answer 2 differs: 74776f was recorded, 7468726565 came\n")
    }))

  it.live("writes what had passed on connections that live when it is told to stop", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "seen.json")
      const port = yield* Socket.listen(echo)
      const tap = yield* start(port, "--framing", "lines", "--record", file)
      assert.deepStrictEqual(JSON.parse(readFileSync(file, "utf8")), [])
      const client = yield* Socket.connect(tap.port)
      yield* client.write("one\n")
      yield* client.received(4)
      yield* tap.signal("SIGINT")
      assert.strictEqual((yield* tap.ended).code, 0)
      const vectors = JSON.parse(readFileSync(file, "utf8")) as ReadonlyArray<Record<string, unknown>>
      assert.deepStrictEqual(vectors.map(({ chunks, eof, id }) => [id, chunks, eof]), [
        ["tap-1-client", ["6f6e650a"], false],
        ["tap-1-server", ["6f6e650a"], false]
      ])
      const { code, stdout } = yield* Command.run(["replay", file, "--to", `127.0.0.1:${port}`])
      assert.deepStrictEqual([code, stdout], [0, "tap-1: 1 answers, the same\n"])
    }))

  it.live("compares what was recorded of answers that were more than a recording holds", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "seen.json")
      const answer = `${"x".repeat(99)}\n`.repeat(20_000)
      const port = yield* Socket.listen((socket) => void socket.once("data", () => socket.end(answer)))
      const tap = yield* start(port, "--framing", "lines", "--record", file)
      const client = yield* Socket.connect(tap.port)
      yield* client.write("go\n")
      yield* client.end
      yield* client.ended
      yield* tap.printed(/closed/)
      yield* tap.signal("SIGINT")
      yield* tap.ended
      const { code, stdout } = yield* Command.run(["replay", file, "--to", `127.0.0.1:${port}`])
      assert.match(stdout, /^tap-1: \d+ answers, the same\n$/)
      assert.strictEqual(code, 0)
    }))

  it.live("a file that is no recording: one line says where, exit code 1", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "bad.json")
      const vector = { source: "x", codec: { kind: "framewire", spec: "lines" }, times: [0], eof: true, expect: [] }
      const vectors = ["client", "server"].map((side) => ({ ...vector, id: `tap-1-${side}`, chunks: ["xy"] }))
      writeFileSync(file, JSON.stringify(vectors))
      const { code, stderr } = yield* Command.run(["replay", file, "--to", "127.0.0.1:1"])
      assert.strictEqual(code, 1)
      assert.match(stderr, /^framewire: .*bad\.json: no recording of framewire tap: .*hex.*\n.*\["chunks"\].*\n$/)
    }))

  it.live("cannot record what it cannot read: exit code 2", () =>
    Effect.gen(function*() {
      const { code, stderr } = yield* Command.run([
        "tap",
        "--listen",
        "127.0.0.1:0",
        "--to",
        "127.0.0.1:1",
        "--record",
        "x"
      ])
      assert.strictEqual(stderr, "framewire: --record: a vector needs its codec, so say --framing, too\n")
      assert.strictEqual(code, 2)
    }))
})

describe("what a tap holds", () => {
  const framing = LengthPrefixed.u32be({ limit: 8_388_608 })
  /** A watch, and the errors that it tells. */
  const make = Effect.fnUntraced(function*(known: Codec.Framing | undefined) {
    const errors: Array<string> = []
    const hub = yield* Hub.make
    const tell: Hub.Hub["tell"] = (seen) => void (seen._tag === "Trouble" && errors.push(seen.error))
    return { errors, watch: new Watch({ ...hub, tell }, known, 100) }
  })
  const unfinished = Buffer.concat([Uint8Array.of(0, 0x80, 0, 0), Buffer.alloc(8_000_000)])

  it.effect("is what waits for its rest, and nothing when that is over", () =>
    Effect.gen(function*() {
      const { watch } = yield* make(undefined)
      const watcher = new Watcher(watch, 1, "client")
      watcher.see([Uint8Array.of(0, 0, 0, 2, 1)])
      assert.strictEqual(watch.held, 5)
      watch.framing = framing
      watcher.read()
      assert.strictEqual(watch.held, 5)
      watcher.see([Uint8Array.of(2, 0)])
      assert.strictEqual(watch.held, 1)
      watcher.free()
      assert.strictEqual(watch.held, 0)
    }))

  it.effect("is 64 MiB at most for all connections: then the one that asks for more is not watched", () =>
    Effect.gen(function*() {
      const { errors, watch } = yield* make(framing)
      for (let id = 1; id <= 8; id++) new Watcher(watch, id, "client").see([unfinished])
      assert.deepStrictEqual([errors.length, watch.held], [0, 8 * unfinished.length])
      new Watcher(watch, 9, "client").see([unfinished])
      assert.deepStrictEqual([errors, watch.held], [["NotWatched"], 8 * unfinished.length])
    }))
})
