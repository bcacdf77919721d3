import { assert, describe, it } from "@effect/vitest"
import { Codec, LengthPrefixed, Lines, Protocol } from "@framewire/framing"
import { Server } from "@framewire/server"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import {
  bounded,
  capricious,
  connections,
  eventually,
  lines,
  options,
  portOf,
  RawClient,
  stalled,
  type Write,
  writes
} from "./support/index.ts"

const writtenBy = (server: Server.Server["Service"], log: ReadonlyArray<Write>) =>
  log.filter(({ port }) => port === portOf(server)).map(({ bytes }) => bytes)
const numbers = (count: number) => Array.from({ length: count }, (_, index) => `${index}\n`)
const shout = (text: string) => text.toUpperCase()

describe("Server.respond", () => {
  const handlers: Record<string, (text: string) => Effect.Effect<string>> = {
    "an answer that is there": (text) => Effect.succeed(shout(text)),
    "Effect.sync": (text) => Effect.sync(() => shout(text)),
    "a generator": (text) =>
      Effect.gen(function*() {
        return shout(yield* Effect.succeed(text))
      }),
    "Effect.suspend": (text) => Effect.suspend(() => Effect.succeed(shout(text)))
  }
  for (const [name, answer] of Object.entries(handlers)) {
    it.live(`answers pipelined requests in order and by one write: ${name}`, () =>
      bounded(Effect.gen(function*() {
        const server = yield* Server.make(options, Server.respond(lines, answer))
        const client = yield* RawClient.connect(server.address)
        const log = yield* writes
        client.write("one\ntwo\nthree\nfour\n")
        assert.strictEqual(yield* client.received(19), "ONE\nTWO\nTHREE\nFOUR\n")
        assert.deepStrictEqual(writtenBy(server, log), [19])
        assert.lengthOf(client.chunks, 1)
      })))
  }

  it.live("answers that are there together are encoded together", () =>
    bounded(Effect.gen(function*() {
      const log: Array<number> = []
      const { decoder, encode, limit } = lines.server
      const many: typeof encode.many = (answers, writer) => {
        log.push(answers.length)
        encode.many?.(answers, writer)
      }
      const codec = { limit, decoder, encode: Object.assign(() => assert.fail("one by one"), { many }) }
      const server = yield* Server.make(options, Server.respond(Protocol.symmetric(codec), Effect.succeed))
      const client = yield* RawClient.connect(server.address)
      client.write(numbers(40).join(""))
      assert.strictEqual(yield* client.received(110), numbers(40).join(""))
      assert.strictEqual(log.reduce((sum, count) => sum + count, 0), 40)
      assert.isAtMost(log.length, 4)
    })))

  it.live("answers in order whatever each one waits for", () =>
    bounded(Effect.gen(function*() {
      const waits: ReadonlyArray<Effect.Effect<void>> = [
        Effect.void,
        Effect.yieldNow,
        Effect.sleep("1 millis"),
        Effect.promise(() => Promise.resolve()),
        Effect.callback<void>((resume) => queueMicrotask(() => resume(Effect.void))),
        Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
      ]
      let turn = 0
      const server = yield* Server.make(
        options,
        Server.respond(lines, (text) => Effect.as(waits[turn++ * 7 % waits.length]!, text))
      )
      const client = yield* RawClient.connect(server.address)
      const sent = numbers(300).join("")
      client.write(sent)
      assert.strictEqual(yield* client.received(sent.length), sent)
    })))

  it.live("an answer that waits holds back no answer before it", () =>
    bounded(Effect.gen(function*() {
      const gate = Deferred.makeUnsafe<void>()
      const server = yield* Server.make(
        options,
        Server.respond(lines, (text) => text === "wait" ? Effect.as(Deferred.await(gate), text) : Effect.succeed(text))
      )
      const client = yield* RawClient.connect(server.address)
      const log = yield* writes
      client.write("a\nb\nwait\nc\nd\n")
      assert.strictEqual(yield* client.received(4), "a\nb\n")
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* client.received(13), "a\nb\nwait\nc\nd\n")
      assert.deepStrictEqual(writtenBy(server, log), [4, 9])
    })))

  it.live("answers between two that wait go out, also while an earlier write is stuck", () =>
    bounded(Effect.gen(function*() {
      const second = Deferred.makeUnsafe<void>()
      const third = Deferred.makeUnsafe<void>()
      const big = "x".repeat(8_000_000)
      const answers: Record<string, Effect.Effect<string>> = {
        big: Effect.succeed(big),
        second: Effect.as(Deferred.await(second), "second"),
        third: Effect.as(Deferred.await(third), "third")
      }
      const codec = Codec.text(Lines.make({ limit: 16_000_000 }))
      const server = yield* Server.make(
        options,
        Server.respond(Protocol.symmetric(codec), (text) => answers[text]!)
      )
      const client = yield* RawClient.connect(server.address, { reads: false })
      const log = yield* writes
      client.write("big\nsecond\nthird\n")
      // The big answer fills the kernel's buffers; the second is there before they are empty again.
      yield* eventually(() => log.some(({ socket }) => socket.writableLength > 0))
      yield* Deferred.succeed(second, undefined)
      let size = 0
      client.socket.on("data", (chunk) => size += chunk.length)
      const before = big.length + 1 + "second\n".length
      yield* eventually(() => size >= before)
      assert.strictEqual(size, before)
      yield* Deferred.succeed(third, undefined)
      yield* eventually(() => size === before + "third\n".length)
    })))

  it.live("a peer that reads late gets every answer, in order", () =>
    bounded(Effect.gen(function*() {
      const count = 200
      const filler = "x".repeat(65_536)
      let answered = 0
      // Each one waits, so that those before it are sent without being waited for.
      const server = yield* Server.make(
        options,
        Server.respond(lines, (text) =>
          Effect.as(Effect.yieldNow, `${text} ${filler}`).pipe(Effect.tap(() => Effect.sync(() => answered++))))
      )
      const client = yield* RawClient.connect(server.address, { reads: false })
      client.write(numbers(count).join(""))
      yield* Effect.andThen(
        eventually(() =>
          answered > 0
        ),
        stalled(() => answered)
      )
      assert.isBelow(answered, count, "the answers of a peer that does not read are bounded")
      let text = ""
      client.socket.setEncoding("latin1").on("data", (chunk) => text += String(chunk))
      yield* eventually(() => text.split("\n").length > count)
      assert.deepStrictEqual(
        text.trimEnd().split("\n").map((line) => line.slice(0, line.indexOf(" "))),
        Array.from({ length: count }, (_, index) => `${index}`)
      )
    })))

  it.live("the answers of one batch are bounded: a peer that does not read stops the handler", () =>
    bounded(Effect.gen(function*() {
      const filler = "x".repeat(100_000)
      let answered = 0
      const server = yield* Server.make(
        options,
        Server.respond(lines, () => {
          answered++
          return Effect.succeed(filler)
        })
      )
      const client = yield* RawClient.connect(server.address, { reads: false })
      client.write(numbers(2000).join(""))
      yield* Effect.andThen(eventually(() => answered > 0), stalled(() => answered))
      assert.isBelow(answered, 200)
      let size = 0
      client.socket.on("data", (chunk) => size += chunk.length)
      yield* eventually(() => size === 2000 * 100_001)
    })))

  const endings: Record<string, (text: string) => Effect.Effect<string, string>> = {
    "a failure": () => Effect.fail("no"),
    "a late failure": () => Effect.andThen(Effect.sleep("5 millis"), Effect.fail("no")),
    "a defect": () => Effect.die("no"),
    "a throw": () => {
      throw new Error("no")
    },
    "a throw inside": () =>
      Effect.sync(() => {
        throw new Error("no")
      })
  }
  for (const [name, answer] of Object.entries(endings)) {
    it.live(`${name} of an answer ends its connection after the answers before, and no other`, () =>
      bounded(Effect.gen(function*() {
        const server = yield* Server.make(
          options,
          Server.respond(lines, (text) => text === "bad" ? answer(text) : Effect.succeed(text))
        )
        const other = yield* RawClient.connect(server.address)
        const client = yield* RawClient.connect(server.address)
        other.write("before\n")
        yield* other.received(7)
        client.write("a\nb\nbad\nc\n")
        assert.strictEqual(yield* client.ended, "a\nb\n")
        other.write("after\n")
        assert.strictEqual(yield* other.received(13), "before\nafter\n")
      })))
  }

  it.live("a frame over the limit ends the connection after the answers before", () =>
    bounded(Effect.gen(function*() {
      const protocol = Protocol.symmetric(Codec.text(Lines.make({ limit: 4 })))
      const server = yield* Server.make(options, Server.respond(protocol, Effect.succeed))
      const client = yield* RawClient.connect(server.address)
      client.write("one\nfour\nfives\nsix\n")
      assert.strictEqual(yield* client.ended, "one\nfour\n")
    })))

  it.live("a request that FIN cuts off ends the connection after the answers before", () =>
    bounded(Effect.gen(function*() {
      const protocol = Protocol.symmetric(Codec.text(LengthPrefixed.u8()))
      const server = yield* Server.make(options, Server.respond(protocol, Effect.succeed))
      const client = yield* RawClient.connect(server.address)
      client.socket.end("\x02hi\x05hel")
      assert.strictEqual(yield* client.ended, "\x02hi")
      assert.strictEqual(yield* client.closed, "end")
    })))

  it.live("a half-closed client still gets its late answers", () =>
    bounded(Effect.gen(function*() {
      const server = yield* Server.make(
        options,
        Server.respond(lines, (text) => Effect.as(Effect.sleep("10 millis"), text))
      )
      const client = yield* RawClient.connect(server.address)
      client.socket.end("a\nb\nc\n")
      assert.strictEqual(yield* client.ended, "a\nb\nc\n")
      assert.strictEqual(yield* client.closed, "end")
      yield* eventually(() => connections(server) === 0)
    })))

  it.live("a request that the codec refuses ends the connection after the answers before", () =>
    bounded(Effect.gen(function*() {
      const protocol = Protocol.symmetric(Codec.json(Schema.Struct({ n: Schema.Number }))(Lines.make()))
      const server = yield* Server.make(options, Server.respond(protocol, Effect.succeed))
      const client = yield* RawClient.connect(server.address)
      client.write("{\"n\":1}\n{\"n\":\"two\"}\n{\"n\":3}\n")
      assert.strictEqual(yield* client.ended, "{\"n\":1}\n")
    })))

  it.live("an answer that the codec refuses ends the connection after the answers before", () =>
    bounded(Effect.gen(function*() {
      for (const wait of [Effect.void, Effect.yieldNow]) {
        const server = yield* Server.make(
          options,
          Server.respond(lines, (text) => Effect.as(wait, text === "bad" ? "two\nlines" : text))
        )
        const client = yield* RawClient.connect(server.address)
        client.write("a\nbad\nb\n")
        assert.strictEqual(yield* client.ended, "a\n")
      }
    })))

  it.live("an encoder that throws ends the connection after the answers before", () =>
    bounded(Effect.gen(function*() {
      const codec = Codec.transform(lines.server, (text) => text, (text: string) => {
        if (text === "bad") throw new Error("no")
        return text
      })
      const server = yield* Server.make(
        options,
        Server.respond(Protocol.symmetric(codec), Effect.succeed)
      )
      const client = yield* RawClient.connect(server.address)
      client.write("a\nbad\nb\n")
      assert.strictEqual(yield* client.ended, "a\n")
    })))

  it.live("an encoder that throws while a later request is handled gives nobody the answer of another", () =>
    bounded(Effect.gen(function*() {
      const codec = Codec.transform(lines.server, (text) => text, (text: string) => {
        if (text === "bad") throw new Error("no")
        return text
      })
      const server = yield* Server.make(
        options,
        Server.respond(
          Protocol.symmetric(codec),
          (text) => text === "late" ? Effect.delay(Effect.succeed(text), "20 millis") : Effect.succeed(text)
        )
      )
      const client = yield* RawClient.connect(server.address)
      client.write("a\nbad\nlate\nb\n")
      assert.strictEqual(yield* client.ended, "a\n")
    })))

  it.live("passes services to the handler", () =>
    bounded(Effect.gen(function*() {
      class Greeting extends Context.Service<Greeting, string>()("test/Greeting") {}
      const server = yield* Server.make(
        options,
        Server.respond(lines, (name) => Effect.map(Greeting, (greeting) => `${greeting} ${name}`))
      ).pipe(Effect.provideService(Greeting, "hello"))
      const client = yield* RawClient.connect(server.address)
      client.write("world\n")
      assert.strictEqual(yield* client.received(12), "hello world\n")
    })))

  it.live("answers in order wherever the runtime chooses to yield", () =>
    bounded(Effect.gen(function*() {
      for (let seed = 0; seed < 50; seed++) {
        const server = yield* Server.make(
          options,
          Server.respond(lines, (text) => Effect.map(Effect.succeed(text), shout))
        ).pipe(capricious(seed))
        const client = yield* RawClient.connect(server.address)
        client.socket.end("a\nb\nc\nd\ne\n")
        assert.strictEqual(yield* client.ended, "A\nB\nC\nD\nE\n")
      }
    })))
})
