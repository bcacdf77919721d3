import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import type { Connection } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Codec, Framed, Lines } from "@framewire/framing"
import { Server } from "@framewire/server"
import { Console, Effect, Pull } from "effect"
import { readFileSync } from "node:fs"

const address = { host: "127.0.0.1", port: Number(process.env["PORT"] ?? 2525) }
const file = (name: string) => readFileSync(process.env[name] ?? `${name.toLowerCase()}.pem`)
const tls = { server: { identity: { certificate: file("CERTIFICATE"), key: file("KEY") } } }
const [maxSize, maxRecipients] = [10_485_760, 100] as const

// Strict, because a bare LF that only some servers take for an end is how mails are smuggled into one another.
const lines = Lines.make({ ending: "crlf", strict: true, limit: 4096 })
const commands = Codec.text(lines)
const isDot = (line: Uint8Array) => line.length === 1 && line[0] === 0x2e
const command = /^(HELO|EHLO|STARTTLS|MAIL FROM:|RCPT TO:|DATA|RSET|NOOP|QUIT)(?: ?<([^<>\s]*)>| |$)/i

/** The lines of a mail without those dots that were put before others; undefined for one that is too large. */
const receiveMail = (framed: Framed.Framed<Uint8Array, Uint8Array>) =>
  Effect.gen(function*() {
    const text: Array<string> = []
    let room = maxSize
    for (let line = yield* framed.receive; !isDot(line); line = yield* framed.receive) {
      room -= line.length + 2
      if (room >= 0) text.push(Buffer.from(line[0] === 0x2e ? line.subarray(1) : line).toString())
    }
    return room >= 0 ? text : undefined
  })

const smtp = (connection: Connection.Connection) =>
  Effect.gen(function*() {
    let framed = Framed.make(connection, commands)
    let mail: { readonly from: string; readonly to: Array<string> } | undefined
    yield* framed.send("220 localhost ESMTP")
    for (;;) {
      const line = yield* Effect.catchTag(framed.receive, "MessageError", () => Effect.succeed(""))
      const [, name = "", path] = command.exec(line) ?? []
      const verb = name.toUpperCase()
      if (verb === "QUIT") return yield* framed.send("221 bye")
      if (verb === "STARTTLS") {
        yield* framed.send("220 go ahead")
        yield* framed.upgradeTls(tls)
        mail = undefined
      } else if (verb === "EHLO") {
        mail = undefined
        yield* framed.sendAll(["250-localhost", "250-STARTTLS", "250-8BITMIME", `250 SIZE ${maxSize}`])
      } else if (verb === "MAIL FROM:" && path !== undefined) {
        mail = { from: path, to: [] }
        yield* framed.send("250 ok")
      } else if (verb === "RCPT TO:" && path && mail) {
        yield* framed.send(mail.to.length < maxRecipients ? "250 ok" : "452 too many recipients")
        if (mail.to.length < maxRecipients) mail.to.push(path)
      } else if (verb === "DATA" && mail && mail.to.length > 0) {
        yield* framed.send("354 end with a line of one dot")
        const body = yield* framed.switchTo(lines)
        const text = yield* receiveMail(body)
        framed = yield* body.switchTo(commands)
        if (text) yield* Console.log(JSON.stringify({ ...mail, text }))
        mail = undefined
        yield* framed.send(text ? "250 taken" : "552 too large")
      } else {
        if (verb === "RSET" || verb === "HELO") mail = undefined
        yield* framed.send(["RSET", "HELO", "NOOP"].includes(verb) ? "250 ok" : verb ? "503 not now" : "500 what?")
      }
    }
  }).pipe(
    Effect.tapErrorTag("FrameError", ({ reason }) => connection.send(Buffer.from(`500 ${reason.message}\r\n`))),
    Pull.catchDone(() => Effect.void)
  )

Server.run({ address, deadlines: { readIdle: "5 minutes" } }, smtp).pipe(
  Effect.provide(NodeTransport.layer),
  NodeRuntime.runMain
)
