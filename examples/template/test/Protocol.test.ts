import { it } from "@effect/vitest"
import { CodecLaws } from "@framewire/framing/testing"
import { codec, limit } from "../src/Protocol.ts"

const laws = CodecLaws.suite({
  codec,
  // Good ones, and those that might be read as another.
  messages: [
    { verb: "upper", text: "hello" },
    { verb: "ok", text: "" },
    { verb: "ok", text: "w\u00f6rld  twice " },
    { verb: "ok", text: "two\nlines" },
    { verb: "ok", text: "\r" },
    { verb: "ok", text: "\ud800" },
    { verb: "", text: "none" },
    { verb: "no verb", text: "" }
  ],
  ofSize: (size) => ({ verb: "ok", text: "x".repeat(Math.max(0, size - 3)) }),
  streams: [new TextEncoder().encode("upper hello\r\nnonsense\nupper \nUPPER a\n")],
  // The end of the stream ends a line, too.
  tail: "frame"
})

it.each(laws)("$name", ({ run }) => run())

it("limit", ({ expect }) => expect(codec.limit).toBe(limit))
