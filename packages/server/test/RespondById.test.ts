import { assert, describe, it } from "@effect/vitest"
import { Lines, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import {
  bounded,
  capricious,
  connections,
  eventually,
  options,
  portOf,
  RawClient,
  stalled,
  writes
} from "./support/index.ts"

const protocol = Protocol.json({
  framing: Lines.make({ limit: 200 }),
  request: Schema.String,
  response: Schema.String,
  error: Schema.String,
  push: Schema.Int
})

const call = (id: number | string, request: string) => `${JSON.stringify({ _tag: "Request", id, request })}\n`
const cancel = (id: number | string) => `${JSON.stringify({ _tag: "Cancel", id })}\n`
const response = (id: number | string, response: string) => `${JSON.stringify({ _tag: "Response", id, response })}\n`
const failure = (id: number | string, error: string) => `${JSON.stringify({ _tag: "Failure", id, error })}\n`
const cancelled = (id: number | string) => `${JSON.stringify({ _tag: "Cancelled", id })}\n`

const echo = Effect.succeed<string>

describe("Server.respond by id", () => {
  const ends = {
    "is interrupted, and by no client,": Effect.interrupt,
    "dies": Effect.die("no")
  }
  for (const [what, bad] of Object.entries(ends)) {
    it.live(`an answer that ${what} ends the connection, behind the answers that are there`, () =>
      bounded(Effect.gen(function*() {
        const server = yield* Server.make(
          options,
          Server.respond(protocol, (text) => text === "bad" ? bad : echo(text))
        )
        const client = yield* RawClient.connect(server.address)
        client.write(call(1, "a") + call(2, "bad"))
        assert.strictEqual(yield* client.ended, response(1, "a"))
        yield* eventually(() => connections(server) === 0)
      })))
  }

  it.live("answers that are there are one write, whatever ids a foreign client has", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(
        options,
        Server.respond(protocol, (text) => text === "no" ? Effect.fail(text) : echo(text))
      )
      const client = yield* RawClient.connect(server.address)
      const log = yield* writes
      client.write(call(7, "a") + call("x-1", "b") + call(-3, "no"))
      const expected = response(7, "a") + response("x-1", "b") + failure(-3, "no")
      assert.strictEqual(yield* client.received(expected.length), expected)
      assert.lengthOf(log.filter(({ port }) => port === portOf(server)), 1)
    })))

  it.live("an answer that waits holds back no other, and those of one turn are one write", () =>
    bounded(Effect.gen(function*() {
      const gate = Deferred.makeUnsafe<void>()
      const server = yield* Server.make(
        options,
        Server.respond(
          protocol,
          (text) => text.startsWith("wait") ? Effect.as(Deferred.await(gate), text) : echo(text)
        )
      )
      const client = yield* RawClient.connect(server.address)
      client.write(call(1, "wait 1") + call(2, "b") + call(3, "wait 2"))
      const first = response(2, "b")
      assert.strictEqual(yield* client.received(first.length), first)
      const log = yield* writes
      yield* Deferred.succeed(gate, undefined)
      const all = first + response(1, "wait 1") + response(3, "wait 2")
      assert.strictEqual(yield* client.received(all.length), all)
      assert.lengthOf(log.filter(({ port }) => port === portOf(server)), 1)
    })))

  it.live("every request has exactly one reply, when it is cancelled too, wherever the runtime yields", () =>
    bounded(Effect.gen(function*() {
      for (let seed = 0; seed < 50; seed++) {
        const server = yield* Server.make(
          options,
          Server.respond(
            protocol,
            (text) => Effect.as(Effect.replicateEffect(Effect.yieldNow, seed % 4, { discard: true }), text)
          )
        ).pipe(capricious(seed))
        const client = yield* RawClient.connect(server.address)
        const ids = Array.from({ length: 20 }, (_, id) => id)
        client.socket.end(ids.map((id) => call(id, "a") + (id % 3 === 0 ? cancel(id) : "")).join("") + cancel(99))
        const replies = (yield* client.ended).trimEnd().split("\n").map((line) =>
          JSON.parse(line) as { readonly _tag: string; readonly id: number }
        )
        assert.deepStrictEqual(replies.map(({ id }) => id).toSorted((a, b) => a - b), ids)
        for (const { _tag, id } of replies) assert(_tag === "Response" || _tag === "Cancelled" && id % 3 === 0)
      }
    })))

  it.live("a cancelled request is interrupted; a cancel of none is nothing", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(
        options,
        Server.respond(protocol, (text) => text === "" ? Effect.never : echo(text))
      )
      const client = yield* RawClient.connect(server.address)
      client.write(call(1, "") + cancel(2) + cancel(1) + cancel(1))
      assert.strictEqual(yield* client.received(cancelled(1).length), cancelled(1))
      client.write(call(1, "again") + cancel(1))
      const all = cancelled(1) + response(1, "again")
      assert.strictEqual(yield* client.received(all.length), all)
    })))

  const endings: Record<string, readonly [string, string]> = {
    "an id that is in use": [call(1, "wait") + call(2, "b") + call(1, "again"), response(2, "b") + response(1, "wait")],
    "a frame over the limit": [call(1, "wait") + "x".repeat(300), response(1, "wait")],
    "a request that the codec refuses": [call(1, "wait") + "{}\n" + call(2, "b"), response(1, "wait")],
    "an answer that the codec refuses": [call(1, "a") + call(2, "big"), response(1, "a")],
    "a defect": [call(1, "a") + call(2, "die"), response(1, "a")]
  }
  for (const [name, [sent, expected]] of Object.entries(endings)) {
    it.live(`${name} ends the connection after the answers before, and no other`, () =>
      bounded(Effect.gen(function*() {
        const server = yield* Server.make(
          options,
          Server.respond(protocol, (text) => {
            if (text === "wait") return Effect.as(Effect.sleep("5 millis"), text)
            if (text === "big") return Effect.as(Effect.sleep("5 millis"), "x".repeat(300))
            return text === "die" ? Effect.andThen(Effect.sleep("5 millis"), Effect.die("no")) : echo(text)
          })
        )
        const other = yield* RawClient.connect(server.address)
        const client = yield* RawClient.connect(server.address)
        client.write(sent)
        assert.strictEqual(yield* client.ended, expected)
        other.write(call(1, "a"))
        assert.strictEqual(yield* other.received(response(1, "a").length), response(1, "a"))
      })))
  }

  it.live("a half-closed client still gets its late answers", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(
        options,
        Server.respond(protocol, (text) => Effect.as(Effect.sleep("10 millis"), text))
      )
      const client = yield* RawClient.connect(server.address)
      client.socket.end(call(1, "a") + call(2, "b"))
      assert.strictEqual(yield* client.ended, response(1, "a") + response(2, "b"))
      yield* eventually(() => connections(server) === 0)
    })))

  it.live("a client that is gone interrupts what is answered for it", () =>
    bounded(Effect.gen(function*() {
      let running = 0
      const server = yield* Server.make(
        options,
        Server.respond(protocol, () =>
          Effect.acquireUseRelease(
            Effect.sync(() => void running++),
            () => Effect.never,
            () => Effect.sync(() => void running--)
          ))
      )
      const client = yield* RawClient.connect(server.address)
      client.write(call(1, "a") + call(2, "b"))
      yield* eventually(() => running === 2)
      client.socket.resetAndDestroy()
      yield* eventually(() => running === 0 && connections(server) === 0)
    })))

  it.live("a client that does not read stops the answers: they are bounded", () =>
    bounded(Effect.gen(function*() {
      const big = Protocol.json({
        framing: Lines.make({ limit: 200_000 }),
        request: Schema.String,
        response: Schema.String
      })
      const filler = "x".repeat(100_000)
      for (const wait of [Effect.void, Effect.yieldNow]) {
        let answered = 0
        const server = yield* Server.make(
          options,
          Server.respond(
            big,
            () => {
              const answer = Effect.sync(() => {
                answered++
                return filler
              })
              return wait === Effect.void ? (answered++, Effect.succeed(filler)) : Effect.andThen(wait, answer)
            },
            { concurrency: 16 }
          )
        )
        const client = yield* RawClient.connect(server.address, { reads: false })
        client.write(Array.from({ length: 1000 }, (_, id) => call(id, "")).join(""))
        yield* Effect.andThen(eventually(() => answered > 0), stalled(() => answered))
        assert.isBelow(answered, 200)
        client.socket.destroy()
      }
    })))

  it.live("what came beside a request is there for its answer: by id, and in order", () =>
    bounded(Effect.gen(function*() {
      const carries = ["timeout", "traceparent"] as const
      const carrying = Protocol.json({
        framing: Lines.make({ limit: 200 }),
        request: Schema.String,
        response: Schema.String,
        carries
      })
      const inOrder: Protocol.Exchange<string, string> = { ...carrying, answers: "in-order", cancels: false }
      const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
      const asked = `${JSON.stringify({ _tag: "Request", id: 1, request: "a", timeout: 250, traceparent })}\n`
      for (const spoken of [carrying, inOrder]) {
        const server = yield* Server.make(
          options,
          Server.respond(
            spoken,
            (text, _, call) =>
              echo(`${text} ${call.timeout} ${Option.getOrThrow(Protocol.parentSpan(call)).spanId} ${call.id}`)
          )
        )
        const client = yield* RawClient.connect(server.address)
        client.write(asked)
        const expected = response(1, "a 250 00f067aa0ba902b7 1")
        assert.strictEqual(yield* client.received(expected.length), expected)
      }
    })))
})
