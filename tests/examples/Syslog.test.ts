import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Example from "../support/Example.ts"
import * as Peer from "../support/Peer.ts"
import * as Process from "../support/Process.ts"
import * as Socket from "../support/Socket.ts"

const serve = Example.serve("syslog/server.ts")
const peer = Peer.logger()

describe("example syslog", () => {
  it.live("takes lines and counted messages, and says which are no syslog", () =>
    Effect.gen(function*() {
      const { port, ...server } = yield* serve
      const say = (text: string) => Effect.scoped(Effect.flatMap(Socket.connect(port), ({ write }) => write(text)))
      yield* say("<13>1 line\r\nnone\n<192>\n")
      yield* server.printed(/^notice "1 line"\nmalformed "none"\nmalformed "<192>"\n/)
      yield* say("7 <0>a\nb\n7 <191>12")
      yield* server.printed(/\nemergency "a\\nb\\n"\ndebug "12"\n$/)
    }))

  it.live("closes a connection on which nothing more can be told, and no other", () =>
    Effect.gen(function*() {
      const { port, ...server } = yield* serve
      const good = yield* Socket.connect(port)
      const bad = yield* Socket.connect(port)
      yield* bad.write("99999 <13>")
      assert.strictEqual((yield* bad.ended).text, "")
      yield* good.write("5 <14>a")
      yield* server.printed(/^info "a"\n$/)
    }))

  describe.skipIf(peer.skipped)(`logger${peer.note}`, () => {
    it("is here", () => assert.isUndefined(peer.problem))

    it.live.each(["counted", "plain"])("logger --tcp is understood, %s", (how) =>
      Effect.gen(function*() {
        const { port, ...server } = yield* serve
        const to = [
          "--server",
          "127.0.0.1",
          "--port",
          String(port),
          "--tcp",
          ...(how === "counted" ? ["--octet-count"] : [])
        ]
        const sent = yield* Process.run(
          "logger",
          [...to, "--rfc5424=notime,nohost", "-t", "me", "-p", "user.err"],
          "a\nb\n"
        )
        assert.deepStrictEqual(sent, { code: 0, stdout: "", stderr: "" })
        yield* server.printed(/^error "1 - - me - - - a"\nerror "1 - - me - - - b"\n$/)
      }))
  })
})
