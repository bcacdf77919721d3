// One room, three doors: nc, the typed client and the page.
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@framewire/client"
import { NodeTransport } from "@framewire/core/node"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Command from "../../../tests/support/Command.ts"
import * as Peer from "../../../tests/support/Peer.ts"
import * as Process from "../../../tests/support/Process.ts"
import * as Progress from "../../../tests/support/Progress.ts"
import * as Rooms from "../../../tests/support/Rooms.ts"
import * as Socket from "../../../tests/support/Socket.ts"
import * as Messages from "../src/rooms/Messages.ts"

const script = "<script>alert(1)</script>"
const nc = Peer.netcat()

/** The stream of events that a page reads, as text. */
const page = (url: string, room: string, name: string, headers: Record<string, string> = {}) =>
  Effect.gen(function*() {
    const ends = new AbortController()
    yield* Effect.addFinalizer(() => Effect.sync(() => ends.abort()))
    let text = ""
    let over = false
    const progress = Progress.make({ over: () => over ? "ended" : undefined, soFar: () => text })
    const answer = yield* Effect.promise(() =>
      fetch(`${url}/room?${new URLSearchParams({ room, name })}`, { signal: ends.signal, headers })
    )
    void (async () => {
      const decoder = new TextDecoder()
      try {
        for await (const chunk of answer.body ?? []) {
          text += decoder.decode(chunk, { stream: true })
          progress.look()
        }
      } catch {
        // The test is over.
      }
      over = true
      progress.look()
    })()
    return { has: (part: string) => progress.until(part, () => text.includes(part) ? text : undefined) }
  })

const post = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  Effect.promise(() =>
    fetch(`${url}/say`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body)
    })
  )

describe("serve rooms", () => {
  it.live.skipIf(nc.skipped)(
    `nc, the typed client and the page share a room, to the goodbye${nc.note}`,
    () =>
      Effect.gen(function*() {
        const rooms = yield* Rooms.serve()
        const ada = yield* Process.start("nc", ["-N", "127.0.0.1", String(rooms.lines)])
        yield* ada.write("/nick ada\n/join lobby\n")
        yield* ada.printed(/^\* ada joined lobby\n/m)

        const bot = yield* Client.connect(Messages.protocol, { host: "127.0.0.1", port: rooms.typed })
        const heard = yield* Effect.forkChild(Stream.runCollect(bot.pushes))
        yield* bot.request({ _tag: "Join", room: "lobby", name: "bot" })
        const browser = yield* page(rooms.web, "lobby", "eve")
        const welcome = yield* browser.has("\"name\":\"eve\"")
        const [, token] = /"token":"([^"]+)"/.exec(welcome) ?? []

        yield* ada.write("hello\n")
        yield* browser.has("\"text\":\"hello\"")
        assert.deepStrictEqual(
          yield* bot.request({ _tag: "Say", room: "lobby", text: "\u001b[2J\nnot #9 ada: a line" }),
          {
            _tag: "Kept",
            seq: 2
          }
        )
        const said = yield* post(rooms.web, { token, text: script })
        assert.deepStrictEqual([said.status, yield* Effect.promise(() => said.json())], [200, { seq: 3 }])
        yield* ada.printed(/^#3 /m)
        assert.deepStrictEqual(yield* bot.request({ _tag: "Who", room: "lobby" }), {
          _tag: "Names",
          names: ["ada", "bot", "eve"]
        })
        yield* rooms.signal("SIGTERM")

        const pushes = yield* Fiber.join(heard)
        assert.deepStrictEqual(pushes.map((it) => it._tag === "Said" ? [it.seq, it.name] : it._tag).slice(0, 5), [
          "Joined",
          "Joined",
          [1, "ada"],
          [2, "bot"],
          [3, "eve"]
        ])
        assert.strictEqual(pushes.at(-1)?._tag, "Goodbye")
        yield* ada.printed(/^\* goodbye: the server stops\n/m)
        yield* ada.end
        const { stdout } = yield* ada.ended
        // Escaped, and on one line.
        assert.include(stdout, `#2 bot: \\e[2J\\nnot #9 ada: a line\n#3 eve: ${script}\n`)
        const { code, stderr } = yield* rooms.ended
        assert.match(
          stderr,
          /^framewire: lines: drained 1 .*: 1 finished, 0 reset\nframewire: typed: drained 1 .*: 1 fin/
        )
        assert.strictEqual(code, 0)
      }).pipe(Effect.provide(NodeTransport.layer))
  )

  it.live("the page runs no script of a message, and listens to no other site", () =>
    Effect.gen(function*() {
      const { web } = yield* Rooms.serve()
      const answer = yield* Effect.promise(() => fetch(web))
      assert.match(answer.headers.get("content-security-policy") ?? "", /^default-src 'none'; script-src 'self';/)
      const foreign = yield* post(web, { token: "", text: "" }, { origin: "http://evil.example" })
      const plain = yield* post(web, { token: "", text: "" }, { "content-type": "text/plain" })
      const large = yield* post(web, { token: "", text: "x".repeat(10_000) })
      const unknown = yield* post(web, { token: "", text: "x" })
      assert.deepStrictEqual([foreign, plain, large, unknown].map(({ status }) => status), [403, 415, 413, 404])
      // As many programs write it.
      const types = ["application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON"]
      const json = yield* Effect.forEach(types, (type) => post(web, { token: "", text: "x" }, { "content-type": type }))
      assert.deepStrictEqual(json.map(({ status }) => status), [404, 404, 404])
      const refused = yield* page(web, "lobby", `${script}${"x".repeat(10_000)}`)
      yield* refused.has("event: refused\ndata: {\"message\":\"a name has 1 to 32 letters")
    }))

  it.live.skipIf(process.platform !== "linux")(
    "a page is asked by keep-alive whether it is there, as the others are",
    () =>
      Effect.gen(function*() {
        const rooms = yield* Rooms.serve()
        yield* page(rooms.web, "lobby", "eve")
        // The fourth column but one is what a socket's timer is for: 2 is keep-alive.
        const port = Number(new URL(rooms.web).port).toString(16).toUpperCase().padStart(4, "0")
        const lines = readFileSync("/proc/net/tcp", "utf8").split("\n")
        const timers = lines.flatMap((line) => {
          const [, local = "", , state, , timer = ""] = line.trim().split(/\s+/)
          return local.endsWith(`:${port}`) && state === "01" ? [timer.slice(0, 2)] : []
        })
        assert.deepStrictEqual(timers, ["02"])
      })
  )

  it.live("a page that comes back gets what it has missed, once", () =>
    Effect.gen(function*() {
      const { lines, web } = yield* Rooms.serve()
      const ada = yield* Socket.connect(lines)
      yield* ada.write("/nick ada\n/join lobby\none\ntwo\nthree\n")
      const first = yield* page(web, "lobby", "eve")
      yield* first.has("\"three\"")
      const again = yield* page(web, "lobby", "eve-again", { "last-event-id": "1" })
      const text = yield* again.has("\"name\":\"eve-again\"")
      assert.deepStrictEqual(Array.from(text.matchAll(/^id: (\d+)$/gm), ([, id]) => id), ["2", "3"])
    }).pipe(Effect.orDie))

  it.live("a page that was away for long gets all that is kept", () =>
    Effect.gen(function*() {
      const { typed, web } = yield* Rooms.serve("--history", "2000", "--rate", "100000")
      const ada = yield* Client.connect(Messages.protocol, { host: "127.0.0.1", port: typed })
      yield* ada.request({ _tag: "Join", room: "lobby", name: "ada" })
      yield* Effect.forkChild(Stream.runDrain(ada.pushes))
      const says = Array.from({ length: 1234 }, (_, i) => ada.request({ _tag: "Say", room: "lobby", text: `${i}` }))
      yield* Effect.all(says, { concurrency: 100, discard: true })
      const eve = yield* page(web, "lobby", "eve", { "last-event-id": "5" })
      const text = yield* eve.has("\"name\":\"eve\"")
      const numbers = Array.from(text.matchAll(/^id: (\d+)$/gm), ([, id]) => Number(id))
      assert.deepStrictEqual(numbers, Array.from({ length: 1229 }, (_, i) => i + 6))
      assert.lengthOf(text.match(/^event: welcome$/gm) ?? [], 1)
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("a page that never reads is dropped, and the others hear why", () =>
    Effect.gen(function*() {
      const rooms = yield* Rooms.serve("--rate", "1000000")
      const deaf = net.connect(Number(new URL(rooms.web).port), "127.0.0.1")
      yield* Effect.addFinalizer(() => Effect.sync(() => deaf.destroy()))
      deaf.on("error", () => {})
      deaf.pause()
      deaf.write("GET /room?room=hall&name=deaf HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
      const bot = yield* Client.connect(
        Messages.protocol,
        { host: "127.0.0.1", port: rooms.typed },
        { maxPushes: 100_000 }
      )
      const left = yield* bot.pushes.pipe(
        Stream.filter((push) => push._tag === "Left"),
        Stream.runHead,
        Effect.forkChild({ startImmediately: true })
      )
      yield* bot.request({ _tag: "Join", room: "hall", name: "bot" })
      const talk = bot.requestAll(
        Array.from({ length: 500 }, () => ({ _tag: "Say", room: "hall", text: "x".repeat(1000) }) as const)
      )
      yield* Effect.raceFirst(Fiber.await(left), Effect.forever(talk))
      assert.deepStrictEqual(Option.getOrUndefined(yield* Fiber.join(left)), {
        _tag: "Left",
        room: "hall",
        name: "deaf",
        why: "slow"
      })
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("says why the data cannot be kept there, exit code 1", () =>
    Effect.gen(function*() {
      const { code, stderr } = yield* Process.run(process.execPath, [
        "--conditions=@framewire/source",
        "apps/demo/src/main.ts",
        "serve",
        "rooms",
        "--data",
        "package.json/rooms"
      ])
      assert.match(stderr, /^framewire: --data package\.json\/rooms: .*ENOTDIR.*\n$/)
      assert.strictEqual(code, 1)
      const taken = mkdtempSync(join(tmpdir(), "framewire-taken-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(taken, { recursive: true })))
      mkdirSync(join(taken, "rooms.sqlite"))
      const other = yield* Command.run(["serve", "rooms", "--data", taken])
      assert.match(other.stderr, /^framewire: --data .*: unable to open database file\n$/)
      assert.strictEqual(other.code, 1)
    }))
})
