// Old syntax on purpose: it must run on any Node and say plainly what is wrong.
const found = process.versions.node.split(".").map(Number)
const ok = found[0] > 22 || (found[0] === 22 && found[1] >= 19)
if (ok) {
  console.log(`Node ${process.versions.node} (${process.execPath}) runs the scripts.`)
} else {
  console.error(
    [
      `Node 22.19 or newer is needed, but these scripts run on Node ${process.versions.node} (${process.execPath}).`,
      "Either run `npm ci` without --omit=optional, which puts Node 26 into node_modules/.bin",
      "(npm scripts then use it, whatever Node is installed), or install Node 22.19+, 24 or 26 yourself."
    ].join("\n")
  )
  process.exit(1)
}
