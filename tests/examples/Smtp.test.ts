import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import * as Example from "../support/Example.ts"
import * as Peer from "../support/Peer.ts"
import * as Process from "../support/Process.ts"
import * as Socket from "../support/Socket.ts"

const certificate = (file: string) => join(import.meta.dirname, "..", "support", "certificates", file)
const serve = Example.serve("smtp/server.ts", {
  CERTIFICATE: certificate("server.pem"),
  KEY: certificate("server.key")
})
const curl = Peer.curl()

/** Says the lines, each once the one before is answered, and gives the answers. */
const talk = (socket: Socket.Socket, ...said: ReadonlyArray<string | Uint8Array>) =>
  Effect.gen(function*() {
    for (const line of said) {
      const { length } = yield* socket.received(0)
      yield* socket.write(line)
      yield* socket.received(length + 1)
    }
    yield* socket.end
    const { by, text } = yield* socket.ended
    assert.strictEqual(by, "FIN")
    return text.trimEnd().split("\r\n").filter((line) => !line.startsWith("250-"))
  })

describe("example smtp", () => {
  it.live("refuses what is not SMTP, not in its order or too much, and goes on", () =>
    Effect.gen(function*() {
      const { port } = yield* serve
      const socket = yield* Socket.connect(port)
      yield* socket.received(1)
      const many = Array.from({ length: 101 }, () => "RCPT TO:<b@c>\r\n")
      const strange = [
        "GET / HTTP/1.1\r\n",
        "DATA\r\n",
        "RCPT TO:<b@c>\r\n",
        "MAIL FROM:nobody\r\n",
        Uint8Array.of(0xff, 13, 10)
      ]
      const large = `${`${"x".repeat(4000)}\r\n`.repeat(2700)}.\r\n`
      const mail = ["HELO me\r\n", "MAIL FROM:<>\r\n", ...many, "DATA\r\n", large, "NOOP\r\n"]
      const answers = yield* talk(socket, ...strange, ...mail)
      assert.deepStrictEqual(answers.slice(0, 7), [
        "220 localhost ESMTP",
        "500 what?",
        "503 not now",
        "503 not now",
        "500 what?",
        "500 what?",
        "250 ok"
      ])
      assert.deepStrictEqual(answers.slice(-5), [
        "250 ok",
        "452 too many recipients",
        "354 end with a line of one dot",
        "552 too large",
        "250 ok"
      ])
    }))

  it.live("smuggles no mail in another: a bare LF ends the connection, in a mail too", () =>
    Effect.gen(function*() {
      const { port, ...server } = yield* serve
      const socket = yield* Socket.connect(port)
      yield* socket.received(1)
      const smuggled = "one\n.\r\nMAIL FROM:<evil@a>\r\n"
      const answers = yield* talk(socket, "MAIL FROM:<a@b>\r\n", "RCPT TO:<c@d>\r\n", "DATA\r\n", smuggled)
      assert.strictEqual(answers.at(-1), "500 a line ends in LF alone, CRLF is required")
      yield* server.signal("SIGTERM")
      assert.strictEqual((yield* server.ended).stdout, "")
    }))

  it.live("takes nothing as secured that came before the handshake (CVE-2011-0411)", () =>
    Effect.gen(function*() {
      const { port } = yield* serve
      const socket = yield* Socket.connect(port)
      yield* socket.write("STARTTLS\r\nMAIL FROM:<evil@a>\r\n")
      const { by, text } = yield* socket.ended
      assert.strictEqual(by, "ECONNRESET")
      assert.notInclude(text, "250")
    }))

  describe.skipIf(curl.skipped)(`curl${curl.note}`, () => {
    it("is here", () => assert.isUndefined(curl.problem))

    it.live("delivers a mail inside TLS, with its lines of dots as they were", () =>
      Effect.gen(function*() {
        const { port, ...server } = yield* serve
        const where = ["-sS", "-v", `smtp://localhost:${port}`, "--resolve", `localhost:${port}:127.0.0.1`]
        const tls = ["--ssl-reqd", "--cacert", certificate("ca.pem")]
        const to = ["--mail-from", "ann@a.example", "--mail-rcpt", "bob@b.example", "--mail-rcpt", "cleo@c.example"]
        const mail = "Subject: hi\r\n\r\n.\r\n..two\r\n\u20ac\r\n"
        const ended = yield* Process.run("curl", [...where, ...tls, ...to, "--upload-file", "-"], mail)
        assert.strictEqual(ended.code, 0, ended.stderr)
        assert.match(ended.stderr, /SSL connection using TLSv1\.3/)
        const [, line = ""] = yield* server.printed(/^(.+)\n/)
        assert.deepStrictEqual(JSON.parse(line), {
          from: "ann@a.example",
          to: ["bob@b.example", "cleo@c.example"],
          text: ["Subject: hi", "", ".", "..two", "\u20ac"]
        })
      }))
  })
})
