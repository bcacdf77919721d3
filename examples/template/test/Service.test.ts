// Both ends in memory: no port, no time that passes, and every run the same.
import { assert, it } from "@effect/vitest"
import { Transport } from "@framewire/core"
import { MemoryTransport } from "@framewire/core/testing"
import { Framed, Lines } from "@framewire/framing"
import { Server } from "@framewire/server"
import { Effect, Exit } from "effect"
import { handler } from "../src/Service.ts"
import { connect, Refused } from "../src/Words.ts"

const serve = Server.make({ address: { host: "words", port: 0 } }, handler)

it.effect("each answer belongs to its question, and a refusal is an error", () =>
  Effect.gen(function*() {
    const { address } = yield* serve
    const words = yield* connect(address)
    const both = Effect.all([words.upper("hello"), words.length("four")], { concurrency: 2 })
    assert.deepStrictEqual(yield* both, ["HELLO", 4])
    const refused = yield* Effect.exit(words.upper("two\nlines"))
    assert.isTrue(Exit.isFailure(refused))
    assert.strictEqual(yield* words.upper("goes on"), "GOES ON")
  }).pipe(Effect.scoped, Effect.provide(MemoryTransport.layer({ rechunk: 3 }))))

it.effect("a verb that is none has an answer, a line that is no message ends its connection", () =>
  Effect.gen(function*() {
    const { address } = yield* serve
    const framed = Framed.make(yield* Transport.connect(address), Lines.make())
    const say = (line: string) => framed.send(new TextEncoder().encode(line))
    const hear = Effect.map(framed.receive, (line) => new TextDecoder().decode(line))
    yield* say("up hello")
    assert.strictEqual(yield* hear, "error there is no verb up")
    yield* say("nonsense")
    assert.isTrue(Exit.isFailure(yield* Effect.exit(hear)))
    assert.strictEqual(new Refused({ reason: "no" }).message, "no")
  }).pipe(Effect.scoped, Effect.provide(MemoryTransport.layer())))
