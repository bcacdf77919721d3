// Typed JSON by hand: text of whole chunks, split; one write a batch. A check of the shape is all that is typed of it.
import { sum } from "../rpc/Sum.ts"
import { serve } from "./byHand.ts"

serve(() => {
  const decoder = new TextDecoder("utf-8", { fatal: true })
  let rest = ""
  return (chunk) => {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n")
    rest = lines.pop()!
    let out = ""
    for (const line of lines) {
      const asked = JSON.parse(line) as { readonly numbers?: unknown }
      if (!Array.isArray(asked.numbers) || !asked.numbers.every(Number.isFinite)) throw new Error("numbers expected")
      out += `${JSON.stringify(sum({ numbers: asked.numbers as ReadonlyArray<number> }))}\n`
    }
    return out === "" ? undefined : Buffer.from(out)
  }
})
