// core and framing in a browser: bundled with nothing of Node's, loaded where only the web's globals are, and no larger for
// one codec than the README of framing says.
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { isBuiltin } from "node:module"
import { join } from "node:path"
import * as Vm from "node:vm"
import { gzipSync } from "node:zlib"
import { build, defaultClientConditions, type Plugin } from "vite"

const root = join(import.meta.dirname, "..")

/** The module of this code as a minified script that leaves its exports in `bundle`; effect left out, where that is asked. */
const bundle = async (code: string, effect: "with effect" | "alone" = "with effect"): Promise<string> => {
  const entry = join(root, "packages/framing/src/bundle.js")
  const plugin: Plugin = {
    name: "entry",
    enforce: "pre",
    resolveId(source, importer) {
      if (source === entry) return entry
      if (isBuiltin(source)) throw new Error(`${importer} imports ${source}`)
      return effect === "alone" && /^effect(\/|$)/.test(source) ? { id: source, external: true } : undefined
    },
    load: (id) => id === entry ? code : undefined
  }
  const built = await build({
    root,
    configFile: false,
    logLevel: "silent",
    plugins: [plugin],
    resolve: { conditions: ["@framewire/source", ...defaultClientConditions] },
    build: {
      write: false,
      minify: true,
      lib: { entry, formats: effect === "alone" ? ["es"] : ["iife"], name: "bundle" }
    }
  })
  const outputs = (Array.isArray(built) ? built : [built]).flatMap((it) => "output" in it ? it.output : [])
  return outputs.map((it) => it.type === "chunk" ? it.code : "").join("")
}

const web = { AbortController, AbortSignal, TextDecoder, TextEncoder, TransformStream, URL, clearTimeout, setTimeout }

describe("in a browser", { timeout: 60_000 }, () => {
  it("core and framing load, leave no trace, and decode", async () => {
    const script = await bundle(
      "export * as Core from \"@framewire/core\"; export * as Framing from \"@framewire/framing\""
    )
    const context = Vm.createContext({ ...web })
    const globals = () => Vm.runInContext("Reflect.ownKeys(globalThis).filter((it) => it !== 'bundle').join()", context)
    const before = globals()
    Vm.runInContext(script, context)
    assert.strictEqual(globals(), before)
    const decode = "Codec.decodeAll(Codec.text(Lines.make()), [new Uint8Array([104, 105, 13, 10])]).messages[0]"
    assert.strictEqual(Vm.runInContext(`const { Codec, Lines } = bundle.Framing; ${decode}`, context), "hi")
  })

  it("an import of Node's is found, however deep it stands", async () => {
    const refused = await bundle("export * from \"@framewire/core/node\"").then(() => "bundled", String)
    assert.match(refused, /src\/node\/\S+ imports node:/)
  })

  it("nothing is bundled of what is not used", async () => {
    const imports = ["core", "framing"].map((name) => `import * as ${name} from "@framewire/${name}"`).join("\n")
    assert.strictEqual((await bundle(imports, "alone")).trim(), "")
  })
})

describe("the size of one codec, minified and compressed, in packages/framing/README.md", { timeout: 60_000 }, () => {
  const rows = Array.from(
    readFileSync(join(root, "packages/framing/README.md"), "utf8")
      .matchAll(/^\| `([^`]+)` +\| +([\d.]+) kB +\| +([\d.]+) kB +\|$/gm),
    ([, codec = "", alone, all]) => [codec, Number(alone), Number(all)] as const
  )
  it("is there", () => assert.isNotEmpty(rows))

  it.each(rows)(
    "%s: at most %d kB, with what it uses of effect %d kB, and not much less",
    async (codec, alone, all) => {
      const code = `import { Codec, LengthPrefixed, Lines } from "@framewire/framing"\nexport const codec = ${codec}`
      for (const [effect, most] of [["alone", alone], ["with effect", all]] as const) {
        const size = gzipSync(await bundle(code, effect), { level: 9 }).length / 1000
        assert.isAtMost(size, most, effect)
        assert.isAtLeast(size, most * 0.8, effect)
      }
    }
  )
})
