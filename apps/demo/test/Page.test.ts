import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Socket as NodeSocket } from "node:net"
import * as Command from "../../../tests/support/Command.ts"
import * as Peer from "../../../tests/support/Peer.ts"
import * as Socket from "../../../tests/support/Socket.ts"
import * as Page from "../src/page/Page.ts"
import * as Browser from "./support/Browser.ts"

/** A tap with a page, before a server that echoes, and resets at "reset". */
const start = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const port = yield* Socket.listen((socket: NodeSocket) => {
    socket.on("data", (chunk: Buffer) => chunk.includes("reset") ? socket.resetAndDestroy() : socket.write(chunk))
    socket.on("end", () => socket.end())
  })
  const tap = yield* Command.start("tap", "--listen", "127.0.0.1:0", "--to", `127.0.0.1:${port}`, "--web", "0", ...args)
  const [, at] = yield* tap.printed(/listening 127\.0\.0\.1:(\d+)/)
  const [, page] = yield* tap.printed(/the page is (http:\/\/127\.0\.0\.1:\d+)\n/)
  return { ...tap, port: Number(at), page: String(page) }
})

const get = (url: string) =>
  Effect.promise(async () => {
    const { headers, text } = await fetch(url).then(async (it) => ({ headers: it.headers, text: await it.text() }))
    return { headers, text }
  })

const statusOf = (url: string, init?: RequestInit) =>
  Effect.promise(() => fetch(url, init).then(({ status }) => status))

describe("the page of a tap", () => {
  it.live("allows no script but its own, and nothing from elsewhere", () =>
    Effect.gen(function*() {
      const { page } = yield* start("--framing", "lines")
      const { headers, text: html } = yield* get(page)
      assert.match(
        headers.get("content-security-policy") ?? "",
        /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'/
      )
      const named = Array.from(html.matchAll(/(?:src|href)="([^"]+)"/g), ([, path]) => path)
      assert.deepStrictEqual(named, ["/page.css", "/page.js"])
      const seen = new Set(["/page.js"])
      for (const path of seen) {
        const { headers, text } = yield* get(page + path)
        assert.match(headers.get("content-type") ?? "", /^text\/javascript/)
        assert.notMatch(
          text,
          /innerHTML|insertAdjacent|document\.write|\beval\b|new Function|https?:(?!\/\/www\.w3\.org\/2000\/svg)/
        )
        for (const [, name] of text.matchAll(/ from "\.(\/[^"]+)"/g)) seen.add(String(name))
      }
      assert.strictEqual(seen.size, 7)
      assert.strictEqual(yield* statusOf(`${page}/other`), 404)
      assert.strictEqual(yield* statusOf(page, { method: "POST" }), 404)
    }))

  it.live("is for this host alone: a name that only leads here is refused", () =>
    Effect.gen(function*() {
      const { page } = yield* start("--framing", "lines")
      const socket = yield* Socket.connect(Number(new URL(page).port))
      yield* socket.write("GET /events HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
      assert.match((yield* socket.ended).text, /^HTTP\/1\.1 403 /)
    }))

  it("shows the wire to a browser on this host, and to no other", () => {
    const here = (address: string) => Page.isHere({ remoteAddress: Option.some(address) })
    assert.deepStrictEqual(["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"].map(here), [true, true, true, true])
    assert.deepStrictEqual(["10.0.0.1", "::ffff:10.127.0.0", "fe80::1", "::11", "1127.0.0.1"].map(here), [
      false,
      false,
      false,
      false,
      false
    ])
    assert.isFalse(Page.isHere({ remoteAddress: Option.none() }))
  })

  it.live("is live for 16 at a time, and a place that was left is free again", () =>
    Effect.gen(function*() {
      const { page } = yield* start("--framing", "lines")
      for (let round = 0; round < 2; round++) {
        const controllers = Array.from({ length: 16 }, () => new AbortController())
        const open = yield* Effect.all(
          controllers.map(({ signal }) => Effect.promise(() => fetch(`${page}/events`, { signal }))),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(new Set(open.map(({ status }) => status)), new Set([200]))
        assert.strictEqual(yield* statusOf(`${page}/events`), 503)
        controllers.forEach((controller) => controller.abort())
        // The server has to hear of it.
        yield* Effect.sleep("300 millis")
      }
    }))

  it.live("says that its port is in use, exit code 1", () =>
    Effect.gen(function*() {
      const port = yield* Socket.listen(() => {})
      const { code, stderr } = yield* Command.run(
        ["tap", "--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--web", String(port)]
      )
      assert.strictEqual(stderr, `framewire: cannot serve the page on 127.0.0.1:${port}: the address is in use\n`)
      assert.strictEqual(code, 1)
    }))

  it.live("ends with its tap, though somebody looks", () =>
    Effect.gen(function*() {
      const tap = yield* start("--framing", "lines")
      yield* Effect.promise(() => fetch(`${tap.page}/events`))
      yield* tap.signal("SIGINT")
      assert.strictEqual((yield* tap.ended).code, 0)
    }))
})

const peer = Peer.chromium()

describe.skipIf(peer.skipped)(`the page in Chromium${peer.note}`, () => {
  it.live("shows a frame, its bytes by field, and what a filter leaves; the keyboard is enough", () =>
    Effect.gen(function*() {
      const tap = yield* start("--framing", "u16be")
      const page = yield* Browser.open(tap.page)
      const complaints = Browser.complaints(page)
      const client = yield* Socket.connect(tap.port)
      yield* client.write("\0\x05hello\0\x05world")
      const frames = page.locator("#frames li")
      yield* Browser.visible(frames.filter({ hasText: "#1 -> 1  7 B  ..hello" }))
      yield* Browser.visible(frames.filter({ hasText: "#1 <- 2  7 B  ..world" }))

      yield* Effect.promise(() => page.keyboard.press("j"))
      const detail = page.locator("#detail")
      yield* Browser.visible(detail.getByText("7 bytes at 0 of the client's stream"))
      assert.strictEqual(
        yield* Effect.promise(() => detail.locator(".header").allTextContents().then((all) => all.join("|"))),
        " header |00|05|.|."
      )
      assert.strictEqual(
        yield* Effect.promise(() => detail.locator(".payload").allTextContents().then((all) => all.join("|"))),
        " payload |68|65|6c|6c|6f|h|e|l|l|o"
      )
      yield* Browser.screenshot(page, "tap-light")

      yield* Effect.promise(() => page.keyboard.press("/"))
      yield* Effect.promise(() => page.keyboard.type("world"))
      yield* Browser.hidden(frames.filter({ hasText: "hello" }).first())
      assert.strictEqual(yield* Effect.promise(() => frames.filter({ visible: true }).count()), 2)
      yield* Effect.promise(() => page.keyboard.press("Escape"))
      yield* Browser.visible(frames.filter({ hasText: "hello" }).first())

      yield* Effect.promise(() => page.keyboard.press("p"))
      yield* client.write("\0\x05later")
      yield* tap.printed(/<- 3 /)
      // Lives are shown still, and what is shown of this one comes behind that frame.
      yield* Socket.connect(tap.port)
      yield* Browser.visible(page.locator("#connections li").filter({ hasText: "#2 " }))
      yield* Effect.promise(() => page.keyboard.press("p"))
      yield* client.write("\0\x04last")
      yield* Browser.visible(frames.filter({ hasText: "<- 4" }))
      assert.strictEqual(yield* Effect.promise(() => frames.filter({ hasText: "later" }).count()), 0)
      assert.deepStrictEqual(complaints, [])
    }))

  it.live("is live in as many tabs of a browser as there are, each with what has passed", () =>
    Effect.gen(function*() {
      const tap = yield* start("--framing", "lines")
      const client = yield* Socket.connect(tap.port)
      yield* client.write("before\n")
      yield* client.received(7)
      const first = yield* Browser.open(tap.page)
      const tabs = [first]
      for (let i = 0; i < 9; i++) tabs.push(yield* Browser.another(first, tap.page))
      yield* client.write("after\n")
      for (const tab of tabs) {
        yield* Browser.visible(tab.locator("#frames li").filter({ hasText: "<- 2  6 B  after" }))
        assert.deepStrictEqual(
          yield* Effect.promise(() => tab.locator("#frames li").count()),
          4
        )
        assert.strictEqual(yield* Effect.promise(() => tab.locator("#link").textContent()), "live")
      }
      // Where the first one goes, the others stay.
      yield* Effect.promise(() => first.close())
      yield* client.write("then\n")
      yield* Browser.visible(tabs[9]!.locator("#frames li").filter({ hasText: "<- 3  5 B  then" }))
    }), 30_000)

  it.live("shows each life: a reset as reset, a close as closed, with its reason", () =>
    Effect.gen(function*() {
      const tap = yield* start("--framing", "lines")
      const page = yield* Browser.open(tap.page, "dark")
      const one = yield* Socket.connect(tap.port)
      yield* one.write("reset\n")
      yield* one.ended
      const two = yield* Socket.connect(tap.port)
      yield* two.write("hello\n")
      yield* two.received(6)
      yield* two.end
      yield* two.ended
      const three = yield* Socket.connect(tap.port)
      yield* three.write("still here\n")
      const now = (id: number) =>
        page.locator("#connections li").filter({ hasText: `#${id} ` }).locator("[aria-current]")
      yield* Browser.visible(now(1).filter({ hasText: /^reset$/ }))
      yield* Browser.visible(page.getByText("client reset by the tap, server reset by it"))
      yield* Browser.visible(now(2).filter({ hasText: /^closed$/ }))
      yield* Browser.visible(now(3).filter({ hasText: /^open$/ }))
      yield* Effect.promise(() => page.keyboard.press("j"))
      yield* Browser.screenshot(page, "tap-dark")
    }))

  it.live("shows a script in a frame as text, and runs nothing of it", () =>
    Effect.gen(function*() {
      const tap = yield* start("--framing", "lines")
      const page = yield* Browser.open(tap.page)
      const client = yield* Socket.connect(tap.port)
      const bad = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
      yield* client.write(`${bad}\n`)
      const row = page.locator("#frames li").first()
      yield* Browser.visible(row)
      yield* Effect.promise(() => row.click())
      assert.include(yield* Effect.promise(() => row.textContent()), "<img src=x onerror=")
      yield* Browser.visible(page.locator("#detail").getByText("of the client's stream"))
      assert.strictEqual(yield* Effect.promise(() => page.title()), "framewire tap")
      assert.strictEqual(yield* Effect.promise(() => page.locator("img, main script").count()), 0)
    }))

  it.live("stays bounded: of 3000 frames it keeps 1000", () =>
    Effect.gen(function*() {
      const tap = yield* start("--framing", "lines", "--frames", "100000")
      const page = yield* Browser.open(tap.page)
      const client = yield* Socket.connect(tap.port)
      for (let i = 0; i < 30; i++) {
        yield* client.write(`${i}\n`.repeat(50))
        yield* Effect.sleep("20 millis")
      }
      yield* Browser.visible(page.locator("#frames li").filter({ hasText: "<- 1500 " }))
      assert.strictEqual(yield* Effect.promise(() => page.locator("#frames li").count()), 1000)
    }))
})
