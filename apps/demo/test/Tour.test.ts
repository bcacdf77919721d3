import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Command from "../../../tests/support/Command.ts"

const names = ["ada", "bob", "cyd"]

interface Step {
  readonly who: string
  readonly what: string
  readonly detail: string
}

/** The numbered parts of the tour, each as the steps that it printed. */
const partsOf = (stdout: string): ReadonlyArray<ReadonlyArray<Step>> =>
  stdout.split(/^\d\. /m).slice(1).map((part) =>
    Array.from(part.matchAll(/^ {2}(\w+) +([\w-]+) +(.+)$/gm), ([, who = "", what = "", detail = ""]) => ({
      who,
      what,
      detail
    }))
  )

const only = (steps: ReadonlyArray<Step>, who: string, what: string): ReadonlyArray<string> =>
  steps.filter((step) => step.who === who && step.what === what).map(({ detail }) => detail)

/** Each of the patterns matches one of the lines, and no two of them the same. */
const matchEach = (lines: ReadonlyArray<string>, patterns: ReadonlyArray<RegExp>) => {
  assert.lengthOf(lines, patterns.length)
  for (const pattern of patterns) assert.lengthOf(lines.filter((line) => pattern.test(line)), 1, String(pattern))
}

/** From listen to close, for three clients, in an order that can be. */
const assertLife = (steps: ReadonlyArray<Step>, sent: (name: string) => RegExp) => {
  const [listening = ""] = only(steps, "server", "listen")
  const [, address = ""] = /^create, bind, listen: (127\.0\.0\.1:\d+)$/.exec(listening) ?? []
  assert.isAbove(Number(address.split(":")[1]), 0, listening)
  assert.deepStrictEqual(steps[0], { who: "server", what: "listen", detail: listening })

  const clients = names.map((name) => {
    const own = steps.filter(({ who }) => who === name)
    assert.deepStrictEqual(
      own.map(({ what }) => what),
      ["connect", "send", "receive", "half-close", "receive", "close"],
      name
    )
    const details = own.map(({ detail }) => detail)
    const [, local = "", remote] = /^(127\.0\.0\.1:\d+) -> (127\.0\.0\.1:\d+) +Open$/.exec(details[0] ?? "") ?? []
    assert.strictEqual(remote, address)
    assert.match(details[1] ?? "", sent(name))
    assert.deepStrictEqual(details.slice(2), [
      `hello from ${name} back`,
      "FIN sent: WriteClosed",
      `goodbye hello from ${name}  (after our FIN)`,
      "Closed: Graceful, first FIN by self"
    ])
    return local
  })

  matchEach(only(steps, "server", "accept"), clients.map((client) => new RegExp(`^${address} -> ${client}$`)))
  matchEach(only(steps, "server", "receive"), names.map((name) => new RegExp(`^hello from ${name}$`)))
  assert.deepStrictEqual(
    only(steps, "server", "half-closed"),
    names.map(() => "by the peer: ReadClosed, and still sending")
  )
}

describe("tour", () => {
  it.live("walks the life of a socket in less than 15 s, exit code 0", () =>
    Effect.gen(function*() {
      const began = Date.now()
      const { code, stderr, stdout } = yield* Command.run(["tour"])
      assert.isBelow(Date.now() - began, 15_000)
      assert.deepStrictEqual([code, stderr], [0, ""])
      const [lines = [], json = [], service = [], failures = [], rooms = []] = partsOf(stdout)

      // "hello from NAME\n", and {"text":"hello from NAME"} behind its length.
      assertLife(lines, () => /^68 65 6c 6c 6f 20 66 72 6f 6d 20 6\d \.{3} {2}\(15 bytes\)$/)
      assertLife(json, () => /^00 00 00 19 7b 22 74 65 78 74 22 3a \.{3} {2}\(29 bytes\)$/)

      assert.deepStrictEqual(only(service, "client", "request"), ["ada | bob | cyd  ->  ADA | BOB | CYD"])
      assert.deepStrictEqual(only(service, "server", "drain"), ["1 open, 1 finished, 0 reset"])
      assert.deepStrictEqual(only(service, "client", "closed"), ["Graceful, first FIN by peer"])

      matchEach(only(failures, "client", "connect"), [
        /^ConnectError, ConnectionRefused, ECONNREFUSED, retry after-backoff: 127\.0\.0\.1:\d+$/
      ])
      assert.deepStrictEqual(only(failures, "client", "send"), ["ff ff ff ff 7b  (the limit is 1024)"])
      assert.deepStrictEqual(only(failures, "server", "receive"), [
        "FrameError, FrameTooLong at byte 0: a frame of 4294967295 bytes, 1024 are allowed"
      ])

      assert.deepStrictEqual(rooms.map(({ detail, what, who }) => `${who} ${what} ${detail}`), [
        "bob hears #1 ada: hello, who is here?",
        "ada hears #2 bot: a program, with \\e[31mcolours",
        "ada hears #3 bob: goodbye then",
        "sloth dropped more waited for it than may; the others did not notice",
        "ada hears * goodbye: the server stops",
        "server drain 2 open, 2 finished, 0 reset",
        "server drain 1 open, 1 finished, 0 reset"
      ])
    }))
})
