import { assert, describe, it } from "@effect/vitest"
import { Codec, LengthPrefixed, Lines, Protocol } from "@framewire/framing"
import * as Schema from "effect/Schema"
import { encoded, events, gives, refusal } from "./support.ts"

const request = Codec.text(Lines.make({ limit: 10 }))
const response = Codec.json(Schema.Number)(LengthPrefixed.u16be({ limit: 20 }))

describe("Protocol", () => {
  it("what the client sends the server reads, and the other way round", () => {
    const { client, server } = Protocol.make({ request, response })
    gives(server, encoded(client, ["one", "two"]), ["one", "two"])
    gives(client, encoded(server, [1, 2]), [1, 2])
    assert.deepStrictEqual(events(request, [encoded(client, ["one"])]), ["one"])
    assert.deepStrictEqual(events(response, [encoded(server, [1])]), [1])
  })

  it("each direction has its own limit, the same at both ends", () => {
    const { client, server } = Protocol.make({ request, response })
    assert.strictEqual(client.limit, 10)
    assert.strictEqual(server.limit, 20)
    assert.strictEqual(refusal(client, "x".repeat(11)), "MessageError FrameTooLong 11 > 10")
    gives(server, `${"x".repeat(11)}\n`, ["!FrameError FrameTooLong 11 > 10 @0"])
  })

  it("symmetric: one codec both ways", () => {
    const { client, server } = Protocol.symmetric(request)
    assert.strictEqual(client, request)
    assert.strictEqual(server, request)
  })

  it("can be used for any number of connections at once: its decoders share nothing", () => {
    const { server } = Protocol.make({ request, response })
    assert.deepStrictEqual(
      [events(server, [encoded(request, ["a"])]), events(server, [encoded(request, ["b"])])],
      [["a"], ["b"]]
    )
  })
})
