import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import type { Connection } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Codec, Framed, Lines } from "@framewire/framing"
import { Broadcast, Server } from "@framewire/server"
import { Effect, Pull } from "effect"

const address = { host: "127.0.0.1", port: Number(process.env["PORT"] ?? 4222) }
const [maxPayload, maxSubscriptions] = [1_048_576, 1000] as const
const info = `INFO ${JSON.stringify({ server_id: "framewire", version: "2.0.0", proto: 1, max_payload: maxPayload })}`

// Lines come; what is sent may have a payload behind its line.
type Out = readonly [line: string, payload?: Uint8Array]
const codec: Codec.Codec<string, Out> = {
  ...Codec.text(Lines.make({ ending: "crlf", limit: 4096 })),
  encode: ([line, payload], writer) => {
    writer.text(`${line}\r\n`)
    if (payload === undefined) return
    writer.bytes(payload)
    writer.text("\r\n")
  }
}

interface Subscription {
  readonly pattern: ReadonlyArray<string>
  readonly sid: string
  readonly own: Map<string, Subscription>
  readonly outbox: Broadcast.Broadcast<Out>
  sent: number
  most: number
}
const subscriptions = new Set<Subscription>()
const drop = (it: Subscription) => it.own.delete(it.sid) && subscriptions.delete(it)

const matches = (pattern: ReadonlyArray<string>, subject: ReadonlyArray<string>) =>
  (pattern.length === subject.length || pattern.at(-1) === ">" && pattern.length < subject.length) &&
  pattern.every((token, index) => token === "*" || token === ">" || token === subject[index])
const publish = (subject: string, reply: string, payload: Uint8Array) =>
  Effect.forEach(subscriptions, (it) => {
    if (!matches(it.pattern, subject.split("."))) return Effect.void
    if (++it.sent >= it.most) drop(it)
    return it.outbox.publish([`MSG ${subject} ${it.sid} ${reply}${payload.length}`, payload])
  })

const nats = (connection: Connection.Connection) =>
  Effect.gen(function*() {
    const framed = Framed.make(connection, codec)
    // What waits for a subscriber that reads slowly has a bound, above which it is reset.
    const outbox = yield* Broadcast.make(codec)
    yield* outbox.join(connection)
    const own = new Map<string, Subscription>()
    yield* Effect.addFinalizer(() => Effect.sync(() => own.forEach(drop)))
    yield* framed.send([info])
    for (;;) {
      const words = (yield* framed.receive).trim().split(/\s+/)
      const [verb, first = "", second, third] = words
      if (verb === "PING") yield* framed.send(["PONG"])
      else if (verb === "PUB" && /^\d{1,9}$/.test(third ?? second ?? "")) {
        const payload = yield* framed.raw(Number(third ?? second) + 2, { limit: maxPayload + 2 })
        yield* publish(first, third ? `${second} ` : "", payload.slice(0, -2))
      } else if (verb === "SUB" && second && !third && !own.has(second) && own.size < maxSubscriptions) {
        const it = { pattern: first.split("."), sid: second, own, outbox, sent: 0, most: Infinity }
        own.set(second, it)
        subscriptions.add(it)
      } else if (verb === "UNSUB") {
        const known = own.get(first)
        if (known) known.most = Number(second) || 0
        if (known && known.sent >= known.most) drop(known)
      } else if (verb !== "CONNECT" && verb !== "PONG") return yield* framed.send(["-ERR 'Unknown Protocol Operation'"])
    }
  }).pipe(
    Effect.tapErrorTag("FrameError", ({ reason }) => connection.send(Buffer.from(`-ERR '${reason.message}'\r\n`))),
    Pull.catchDone(() => Effect.void)
  )

Server.run({ address, deadlines: { readIdle: "5 minutes" } }, nats).pipe(
  Effect.provide(NodeTransport.layer),
  NodeRuntime.runMain
)
