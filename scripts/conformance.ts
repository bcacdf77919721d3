// Runs files of byte vectors, in the format of ../shared/vectors, through our codecs: npm run --silent conformance -- FILE...
import { readFileSync } from "node:fs"
import { type AnyVector, run } from "../packages/framing/test/conformance/run.ts"

const files = process.argv.slice(2)
if (files.length === 0) {
  console.error("usage: npm run --silent conformance -- FILE...")
  process.exit(2)
}

let passed = 0
let failed = 0
for (const file of files) {
  for (const vector of JSON.parse(readFileSync(file, "utf8")) as ReadonlyArray<AnyVector>) {
    const outcome = run(vector)
    if (outcome.pass) passed++
    else failed++
    console.log(JSON.stringify(outcome))
  }
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1
