// The page of the rooms in a real Chromium: somebody talks there, and sees the wire of everybody.
import { assert, describe, it } from "@effect/vitest"
import { Client } from "@framewire/client"
import { NodeTransport } from "@framewire/core/node"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Page } from "playwright-core"
import * as Peer from "../../../tests/support/Peer.ts"
import * as Process from "../../../tests/support/Process.ts"
import * as Rooms from "../../../tests/support/Rooms.ts"
import * as Socket from "../../../tests/support/Socket.ts"
import * as Messages from "../src/rooms/Messages.ts"
import * as Browser from "./support/Browser.ts"

const chromium = Peer.chromium()
const nc = Peer.netcat()
const script = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"

const keys = (page: Page, ...names: ReadonlyArray<string>) =>
  Effect.forEach(names, (name) => Effect.promise(() => page.keyboard.press(name)), { discard: true })
const type = (page: Page, text: string) => Effect.promise(() => page.keyboard.type(text))
const heard = (page: Page, hasText: string) => Browser.visible(page.locator("#log li").filter({ hasText }))
const texts = (page: Page, selector: string) => Effect.promise(() => page.locator(selector).allTextContents())

const join = (room: string, name: string): Messages.Request => ({ _tag: "Join", room, name })
const say = (text: string, room = "lobby"): Messages.Request => ({ _tag: "Say", room, text })
const dial = ({ typed }: Rooms.Rooms) => Client.connect(Messages.protocol, { host: "127.0.0.1", port: typed })

describe.skipIf(chromium.skipped)(`the page of the rooms in Chromium${chromium.note}`, () => {
  it.live.skipIf(nc.skipped)(
    `nc, the typed client and the page talk in one room, by the keyboard alone, and the page shows their wire${nc.note}`,
    () =>
      Effect.gen(function*() {
        const rooms = yield* Rooms.serve()
        const page = yield* Browser.open(rooms.web)
        const complaints = Browser.complaints(page)
        // The name has the focus, the room is the lobby.
        yield* type(page, "eve")
        yield* keys(page, "Enter")
        yield* Browser.visible(page.getByText("in lobby as eve"))

        const ada = yield* Process.start("nc", ["-N", "127.0.0.1", String(rooms.lines)])
        yield* ada.write("/nick ada\n/join lobby\n")
        yield* heard(page, "ada joined")
        const bot = yield* dial(rooms)
        yield* bot.request(join("lobby", "bot"))
        yield* heard(page, "bot joined")

        yield* ada.write("hello\n")
        yield* heard(page, "#1 ada: hello")
        yield* bot.request(say(`\u001b[2J\u202e${script}`))
        // Where one talks, no key is a command.
        yield* type(page, "jump / pick")
        yield* keys(page, "Enter")
        yield* ada.printed(/^#3 eve: jump \/ pick\n/m)
        assert.deepStrictEqual(
          yield* bot.pushes.pipe(
            Stream.filter((push) => push._tag === "Said"),
            Stream.map(({ name, seq }) => `${seq} ${name}`),
            Stream.take(3),
            Stream.runCollect
          ),
          ["1 ada", "2 bot", "3 eve"]
        )
        yield* heard(page, "#3 eve: jump / pick")
        assert.deepStrictEqual(yield* texts(page, "#log .said"), [
          "#1 ada: hello",
          `#2 bot: \\u{1b}[2J\\u{202e}${script}`,
          "#3 eve: jump / pick"
        ])
        assert.strictEqual(yield* Effect.promise(() => page.title()), "framewire rooms")
        assert.strictEqual(yield* Effect.promise(() => page.locator("main img, main script").count()), 0)

        const connections = page.locator("#connections li")
        const now = (door: string) => connections.filter({ hasText: door }).locator("[aria-current]")
        yield* Browser.visible(now("lines 127.0.0.1:").filter({ hasText: /^open$/ }))
        yield* Browser.visible(now("typed 127.0.0.1:").filter({ hasText: /^open$/ }))
        yield* Browser.visible(page.locator("#frames .client").filter({ hasText: "6 B  hello." }))
        // A push on the typed door: its length, and what is in it.
        const pushed = page.locator("#frames .server").filter({ hasText: /^#2 .*pick/ })
        yield* Effect.promise(() => pushed.click())
        yield* Browser.visible(page.locator("#detail .header").filter({ hasText: "header" }))
        yield* Browser.screenshot(page, "rooms-light")

        yield* ada.write("/quit\n")
        yield* Browser.visible(now("lines").filter({ hasText: /^closed$/ }))
        const rude = yield* Socket.connect(rooms.typed)
        yield* Browser.visible(connections.filter({ hasText: `127.0.0.1:${rude.localPort}` }))
        yield* rude.write("\x7f\x7f\x7f\x7f")
        yield* Browser.visible(page.locator("#frames .trouble").filter({ hasText: "FrameTooLong" }))
        const other = yield* Socket.connect(rooms.typed)
        yield* Browser.visible(connections.filter({ hasText: `127.0.0.1:${other.localPort}` }))
        yield* other.reset
        yield* Browser.visible(connections.filter({ hasText: "reset by it" }).locator("[aria-current].broken"))
        assert.deepStrictEqual(complaints, [])
      }).pipe(Effect.provide(NodeTransport.layer)),
    40_000
  )

  it.live("says why a name cannot be, and what it cannot send", () =>
    Effect.gen(function*() {
      const rooms = yield* Rooms.serve("--rate", "1")
      const page = yield* Browser.open(rooms.web, "dark")
      yield* type(page, "no body")
      yield* keys(page, "Enter")
      yield* Browser.visible(page.getByText("a name has 1 to 32 letters, digits, _ . or -: no body"))
      yield* Effect.promise(() => page.locator("#name").fill("eve"))
      yield* keys(page, "Enter")
      yield* Browser.visible(page.getByText("in lobby as eve"))
      yield* type(page, "one")
      yield* keys(page, "Enter")
      yield* heard(page, "#1 eve: one")
      yield* type(page, "two")
      yield* keys(page, "Enter")
      yield* Browser.visible(page.getByText(/^too fast: again in \d+ ms$/))
      const background = "getComputedStyle(document.body).backgroundColor"
      assert.strictEqual(yield* Effect.promise(() => page.evaluate<string>(background)), "rgb(21, 23, 26)")
    }), 40_000)

  it.live("of 1000 rooms it lists 100, of 600 messages it keeps 500", () =>
    Effect.gen(function*() {
      const rooms = yield* Rooms.serve("--rate", "100000")
      for (let i = 0; i < 16; i++) {
        const client = yield* dial(rooms)
        const names = Array.from({ length: i < 15 ? 64 : 40 }, (_, j) => `room-${i}-${j}`)
        yield* client.requestAll(names.map((name) => join(name, `bot-${i}`)))
      }
      const page = yield* Browser.open(rooms.web)
      yield* Browser.visible(page.getByText("and 900 more"))
      assert.strictEqual(yield* Effect.promise(() => page.locator("#rooms button").count()), 100)
      // A room is chosen by a click, or by Enter.
      const first = page.locator("#rooms button").first()
      const name = (yield* Effect.promise(() => first.getAttribute("data-room"))) ?? ""
      yield* Effect.promise(() => first.focus())
      yield* keys(page, "Enter")
      yield* type(page, "eve")
      yield* keys(page, "Enter")
      yield* Browser.visible(page.getByText(`in ${name} as eve`))

      const client = yield* dial(rooms)
      yield* client.request(join(name, "loud"))
      for (let i = 0; i < 6; i++) {
        yield* client.requestAll(Array.from({ length: 100 }, (_, j) => say(String(100 * i + j), name)))
      }
      yield* heard(page, "#600 loud: 599")
      assert.strictEqual((yield* texts(page, "#log li")).length, 500)
      assert.isAtMost((yield* texts(page, "#frames li")).length, 1000)
      assert.isAtMost((yield* texts(page, "#connections li")).length, 200)
    }).pipe(Effect.provide(NodeTransport.layer)), 40_000)
})
