import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Example from "../support/Example.ts"
import * as Peer from "../support/Peer.ts"
import * as Process from "../support/Process.ts"
import * as Socket from "../support/Socket.ts"

const serve = Example.serve("erlang/server.ts")
const peer = Peer.erlang()

const client = (port: number) => `
  {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, ${port}, [binary, {packet, 4}, {active, false}], 15000),
  Ask = fun(Term) ->
    ok = gen_tcp:send(Socket, term_to_binary(Term)),
    {ok, Answer} = gen_tcp:recv(Socket, 0, 15000),
    binary_to_term(Answer, [safe])
  end,
  {ok, 6} = Ask({sum, [1, 2, 3]}),
  {ok, -70000} = Ask({sum, [-70001, 1]}),
  {ok, 0} = Ask({sum, []}),
  {error, overflow} = Ask({sum, [2147483647, 1]}),
  {error, badarg} = Ask({sum, [<<"one">>]}),
  {error, badarg} = Ask({other, [{[[x]]}, <<0, 255>>]}),
  io:format("done"), halt(0).`

describe("example erlang", () => {
  it.live("ends a connection whose bytes are no term, or one that lies about its size or depth", () =>
    Effect.gen(function*() {
      const { port } = yield* serve
      const lies = [
        [131, 108, 255, 255, 255, 255],
        [131, 109, 255, 255, 255, 255],
        [131, ...Array.from({ length: 99 }, () => [104, 1]).flat(), 106],
        [131, 70],
        []
      ]
      for (const bytes of lies) {
        const socket = yield* Socket.connect(port)
        const good = [0, 0, 0, 2, 131, 106]
        yield* socket.write(Uint8Array.from([...good, 0, 0, 0, bytes.length, ...bytes, ...good]))
        assert.match((yield* socket.ended).text, /^\0{3}.{6}error.{2}badarg$/s)
      }
    }))

  describe.skipIf(peer.skipped)(`Erlang${peer.note}`, () => {
    it("is here", () => assert.isUndefined(peer.problem))

    it.live("asks in terms, and gets terms", () =>
      Effect.gen(function*() {
        const { port } = yield* serve
        const ended = yield* Process.run("erl", [
          "-noshell",
          "-env",
          "ERL_CRASH_DUMP",
          "/dev/null",
          "-eval",
          client(port)
        ])
        assert.deepStrictEqual(ended, { code: 0, stdout: "done", stderr: "" })
      }))
  })
})
