import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Example from "../support/Example.ts"

describe("example rpc", () => {
  it.live("an answer, a stream and an error", () =>
    Effect.gen(function*() {
      const ended = yield* Example.run("rpc/main.ts")
      assert.deepStrictEqual(ended, { code: 0, stdout: "42\n1 2 3 4 5\n-1 has none\n", stderr: "" })
    }))
})
