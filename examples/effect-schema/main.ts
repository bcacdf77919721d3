import * as Schema from "@effect/schema/Schema"
import { Codec, Lines } from "@framewire/framing"
import { Console, Effect } from "effect"

// As they stand in a program that is still on Effect 3.
const Order = Schema.Struct({
  id: Schema.Int,
  placed: Schema.Date,
  lines: Schema.Array(Schema.Struct({ article: Schema.NonEmptyString, count: Schema.Positive }))
})
const decode = Schema.decodeUnknownSync(Schema.parseJson(Order))
const encode = Schema.encodeSync(Schema.parseJson(Order))

const orders = Codec.functions(
  (frame) => decode(new TextDecoder().decode(frame)),
  (order: typeof Order.Type) => new TextEncoder().encode(encode(order))
)(Lines.make())

// What a peer sends: two orders, one of them of nothing.
const placed = "2024-02-29T12:00:00.000Z"
const stream = [1, 0].map((count) => `{"id":7,"placed":"${placed}","lines":[{"article":"tea","count":${count}}]}\n`)
const { failures, messages } = Codec.decodeAll(orders, stream.map((line) => new TextEncoder().encode(line)))

await Effect.runPromise(Effect.gen(function*() {
  for (const { id, lines, placed } of messages) yield* Console.log(id, placed.toISOString(), lines)
  for (const { error } of failures) yield* Console.log(error.message)
}))
