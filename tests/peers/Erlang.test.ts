// Erlang's gen_tcp has had these framings for decades: {packet, 1 | 2 | 4} and {packet, line}.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Command from "../support/Command.ts"
import * as Peer from "../support/Peer.ts"
import * as Process from "../support/Process.ts"

/** Runs Erlang expressions; `Args` are the arguments, as strings. A failed match ends it with another code than 0. */
const erlang = (code: string, ...args: ReadonlyArray<string | number>) => {
  const expressions = `Args = init:get_plain_arguments(), ${code}, halt(0).`
  // A crash is reported on standard error: the dump is of no use to anyone.
  return ["-noshell", "-env", "ERL_CRASH_DUMP", "/dev/null", "-eval", expressions, "-extra", ...args.map(String)]
}

const connect = (packet: string) => `
  [Port | Rest] = lists:map(fun erlang:list_to_integer/1, Args),
  Options = [binary, {packet, ${packet}}, {active, false}, {buffer, 200000}],
  {ok, Socket} = gen_tcp:connect({127, 0, 0, 1}, Port, Options, 15000)`

/** The peer answers FIN by FIN, and sends nothing in between. */
const ended = `
  {error, closed} = gen_tcp:recv(Socket, 0, 15000),
  io:format("done")`
const finish = `
  ok = gen_tcp:shutdown(Socket, write), ${ended}`

// One after the other, then all of them before the first answer is read.
const framesClient = (packet: string) =>
  `${connect(packet)},
  Frames = [rand:bytes(Size) || Size <- Rest],
  Receive = fun(Frame) -> {ok, Frame} = gen_tcp:recv(Socket, 0, 15000) end,
  lists:foreach(fun(Frame) -> ok = gen_tcp:send(Socket, Frame), Receive(Frame) end, Frames),
  lists:foreach(fun(Frame) -> ok = gen_tcp:send(Socket, Frame) end, Frames),
  lists:foreach(Receive, Frames), ${finish}`

const linesClient = `${connect("line")},
  Lines = [<<(binary:copy(<<"x">>, Size))/binary, "\\n">> || Size <- Rest],
  Receive = fun(Line) -> {ok, Line} = gen_tcp:recv(Socket, 0, 15000) end,
  ok = gen_tcp:send(Socket, Lines),
  lists:foreach(Receive, Lines),
  ok = gen_tcp:send(Socket, "crlf\\r\\nlast"),
  Receive(<<"crlf\\n">>),
  ok = gen_tcp:shutdown(Socket, write),
  Receive(<<"last\\n">>), ${ended}`

/** Serves one connection: sends each frame back in capitals, and after the FIN how many there were. */
const server = (packet: string) => `
  Options = [binary, {packet, ${packet}}, {active, false}, {buffer, 200000}, {ip, {127, 0, 0, 1}}, {exit_on_close, false}],
  {ok, Listener} = gen_tcp:listen(0, Options),
  {ok, Port} = inet:port(Listener),
  io:format("listening ~b~n", [Port]),
  {ok, Socket} = gen_tcp:accept(Listener, 15000),
  Serve = fun Serve(Count) ->
    case gen_tcp:recv(Socket, 0, 15000) of
      {ok, Frame} -> ok = gen_tcp:send(Socket, string:uppercase(Frame)), Serve(Count + 1);
      {error, closed} -> Count
    end
  end,
  ok = gen_tcp:send(Socket, integer_to_list(Serve(0)) ++ " frames" ++ hd(Args ++ [""])),
  ok = gen_tcp:close(Socket)`

const erl = Peer.erlang()

describe.skipIf(erl.skipped)(`Erlang${erl.note}`, () => {
  it("is here", () => assert.isUndefined(erl.problem))

  const clients: ReadonlyArray<readonly [framing: string, packet: string, sizes: ReadonlyArray<number>]> = [
    ["u32be", "4", [0, 1, 255, 256, 65_535, 65_536, 70_000, 1_048_576]],
    ["u16be", "2", [0, 1, 255, 256, 65_535]],
    ["u8", "1", [0, 1, 254, 255]]
  ]
  it.live.each(clients)(
    "serve echo --framing %s sends back what a client with {packet, %s} sent",
    ([framing, packet, sizes]) =>
      Effect.gen(function*() {
        const { port } = yield* Command.serve(framing)
        const client = yield* Process.run("erl", erlang(framesClient(packet), port, ...sizes))
        assert.deepStrictEqual(client, { code: 0, stdout: "done", stderr: "" })
      })
  )

  it.live("serve echo --framing lines sends back what a client with {packet, line} sent", () =>
    Effect.gen(function*() {
      const { port } = yield* Command.serve("lines")
      const client = yield* Process.run("erl", erlang(linesClient, port, 0, 1, 1460, 65_536, 100_000))
      assert.deepStrictEqual(client, { code: 0, stdout: "done", stderr: "" })
    }))

  it.live("the drain of serve echo is a clean end for a client with {packet, 4}", () =>
    Effect.gen(function*() {
      const serving = yield* Command.serve("u32be", "--delay", "500")
      const client = yield* Process.start(
        "erl",
        erlang(
          `${connect("4")}, [] = Rest,
            ok = gen_tcp:send(Socket, "one"), ok = gen_tcp:send(Socket, "two"),
            {ok, <<"one">>} = gen_tcp:recv(Socket, 0, 15000),
            io:format("one~n"),
            {ok, <<"two">>} = gen_tcp:recv(Socket, 0, 15000), ${finish}`,
          serving.port
        )
      )
      yield* client.printed(/one\n/)
      yield* serving.signal("SIGTERM")
      assert.deepStrictEqual(yield* client.ended, { code: 0, stdout: "one\ndone", stderr: "" })
      const { code } = yield* serving.ended
      assert.strictEqual(code, 0)
    }))

  const servers: ReadonlyArray<readonly [framing: string, packet: string, end: string]> = [
    ["u32be", "4", ""],
    ["u16be", "2", ""],
    ["u8", "1", ""],
    ["lines", "line", "\n"]
  ]
  it.live.each(servers)(
    "connect --framing %s talks to a server with {packet, %s}",
    ([framing, packet, end]) =>
      Effect.gen(function*() {
        const peer = yield* Process.start("erl", erlang(server(packet), end))
        const [, port] = yield* peer.printed(/^listening (\d+)\n/)
        assert.deepStrictEqual(yield* Command.connect(Number(port), framing, "one\n\ntwo\nlast"), {
          code: 0,
          stdout: "ONE\n\nTWO\nLAST\n4 frames\n",
          stderr: ""
        })
        const { code, stderr } = yield* peer.ended
        assert.deepStrictEqual([code, stderr], [0, ""])
      })
  )

  it.live("connect takes frames of 70000 bytes to a server with {packet, 4} and back", () =>
    Effect.gen(function*() {
      const peer = yield* Process.start("erl", erlang(server("4")))
      const [, port] = yield* peer.printed(/^listening (\d+)\n/)
      const lines = `${"a".repeat(70_000)}\n`.repeat(10)
      const { code, stdout } = yield* Command.connect(Number(port), "u32be", lines)
      assert.isTrue(stdout === `${lines.toUpperCase()}10 frames\n`, `${stdout.length} bytes`)
      assert.strictEqual(code, 0)
    }))
})
