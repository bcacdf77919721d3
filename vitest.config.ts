import { defaultServerConditions } from "vite"
import { defineConfig } from "vitest/config"

const projects = [
  ...["core", "framing", "server", "client"].map((name) => [`@framewire/${name}`, `packages/${name}`, "test"]),
  ["@framewire/demo", "apps/demo", "test"],
  ["workspace", ".", "tests"]
] as const

export default defineConfig({
  test: {
    // .ci/run adds the counts up from this report.
    reporters: process.env["CI"] ? ["default", ["json", { outputFile: ".cache/vitest.json" }]] : ["default"],
    projects: projects.map(([name = "", root = "", folder = ""]) => ({
      root,
      // The packages run from their sources: no build comes before the tests.
      ssr: { resolve: { conditions: ["@framewire/source", ...defaultServerConditions] } },
      test: { name, include: [`${folder}/**/*.test.ts`], testTimeout: 20_000, hookTimeout: 20_000 }
    })),
    coverage: { provider: "v8", include: ["packages/*/src/**"] }
  }
})
