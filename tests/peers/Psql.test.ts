// psql speaks PostgreSQL: what it sends first has no type, and asks for TLS on the same connection before it says who it is.
import { assert, describe, it } from "@effect/vitest"
import type { Connection } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Framed, Preset } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Certificates from "../support/Certificates.ts"
import * as Peer from "../support/Peer.ts"
import * as Process from "../support/Process.ts"

const utf8 = new TextEncoder()
const uint = (value: number, width: 2 | 4) => {
  const bytes = new Uint8Array(width)
  for (let at = width - 1; at >= 0; at--, value >>>= 8) bytes[at] = value
  return bytes
}
const join = (...parts: ReadonlyArray<Uint8Array | string>) =>
  Uint8Array.from(parts.flatMap((part) => Array.from(typeof part === "string" ? utf8.encode(part) : part)))
const u32 = (frame: Uint8Array) => new DataView(frame.buffer, frame.byteOffset).getUint32(0)

/** A message with its type and length, which the preset leaves in the frame. */
const message = (type: string, ...parts: ReadonlyArray<Uint8Array | string>) => {
  const body = join(...parts)
  return join(type, uint(4 + body.length, 4), body)
}

const codes = { ssl: 80_877_103, gss: 80_877_104, version3: 196_608 }
const ready = message("Z", "I")
const greeting = [
  message("R", uint(0, 4)),
  message("S", "server_version\0", "15.0\0"),
  message("S", "client_encoding\0", "UTF8\0"),
  message("K", uint(1, 4), uint(2, 4)),
  ready
]

/** One row of one column, in as many rows as the query asks for. */
const answer = (query: string) => {
  const [, count = "", value = ""] = /^(\d+) x (.*);$/s.exec(query) ?? []
  if (count === "") return [message("E", "SERROR\0", "C42601\0", `Mno such query: ${query}\0`, "\0"), ready]
  const column = join("value\0", uint(0, 4), uint(0, 2), uint(25, 4), uint(0xffff, 2), uint(0xffffffff, 4), uint(0, 2))
  const row = message("D", uint(1, 2), uint(utf8.encode(value).length, 4), value)
  const rows = Array.from({ length: Number(count) }, () => row)
  return [message("T", uint(1, 2), column), ...rows, message("C", `SELECT ${count}\0`), ready]
}

/** What is asked before the client says who it is, in order. */
const serve = (secure: boolean, asked: Array<string>) => (connection: Connection.Connection) =>
  Effect.gen(function*() {
    const startup = Framed.make(connection, Preset.postgresStartup())
    for (;;) {
      const first = yield* startup.receive
      const code = u32(first)
      if (code === codes.version3) {
        asked.push(new TextDecoder().decode(first.subarray(4)).replaceAll("\0", " ").trim())
        break
      }
      asked.push(code === codes.ssl ? "TLS" : code === codes.gss ? "GSS" : String(code))
      const isSecured = secure && code === codes.ssl
      // One byte, without framing.
      yield* connection.send(utf8.encode(isSecured ? "S" : "N"))
      if (isSecured) yield* startup.upgradeTls({ server: { identity: Certificates.server } })
    }
    const messages = yield* startup.switchTo(Preset.postgres({ limit: 200_000 }))
    yield* messages.sendAll(greeting)
    yield* Stream.runForEach(messages.messages, (frame) => {
      const [type, body] = [String.fromCharCode(frame[0] ?? 0), new TextDecoder().decode(frame.subarray(5, -1))]
      return type === "Q" ? messages.sendAll(answer(body)) : Effect.sync(() => asked.push(type))
    })
  })

const peer = Peer.psql()

describe.skipIf(peer.skipped)(`psql${peer.note}`, () => {
  it("is here", () => assert.isUndefined(peer.problem))

  const session = (secure: boolean, mode: string, ...queries: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const { address } = yield* Server.make({ address: { host: "127.0.0.1", port: 0 } }, serve(secure, asked))
      const port = "port" in address ? address.port : 0
      const target = `host=127.0.0.1 port=${port} user=ann dbname=shop sslmode=${mode} gssencmode=disable`
      const args = ["-X", "-A", "-t", "--no-password", target]
      const ended = yield* Process.run("psql", args, queries.map((query) => `${query};\n`).join(""))
      return { asked, ...ended }
    }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer), Effect.timeout("15 seconds"))

  it.live("is told that there is no TLS, says who it is, and gets the rows of its queries", () =>
    Effect.gen(function*() {
      const long = "x".repeat(100_000)
      const { asked, code, stderr, stdout } = yield* session(false, "prefer", "1 x \u20ac", "3 x ab", `1 x ${long}`)
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.strictEqual(stdout, `\u20ac\nab\nab\nab\n${long}\n`)
      assert.strictEqual(asked[0], "TLS")
      assert.match(asked[1] ?? "", /^user ann database shop /)
      assert.strictEqual(asked[2], "X")
    }))

  it.live("gets an error of one query, and the answer of the next", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* session(false, "disable", "nonsense", "2 x c")
      assert.strictEqual(code, 0)
      assert.strictEqual(stderr, "ERROR:  no such query: nonsense;\n")
      assert.strictEqual(stdout, "c\nc\n")
    }))

  it.live("goes on inside TLS where it asks for that, and startup and queries are framed there as before", () =>
    Effect.gen(function*() {
      const { asked, code, stderr, stdout } = yield* session(true, "require", "2 x secret")
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.strictEqual(stdout, "secret\nsecret\n")
      assert.strictEqual(asked[0], "TLS")
      assert.match(asked[1] ?? "", /^user ann database shop /)
    }))

  it.live("leaves where it has to have TLS and there is none", () =>
    Effect.gen(function*() {
      const { asked, code, stderr } = yield* session(false, "require", "1 x a")
      assert.strictEqual(code, 2)
      assert.match(stderr, /server does not support SSL, but SSL was required/)
      assert.deepStrictEqual(asked, ["TLS"])
    }))
})
