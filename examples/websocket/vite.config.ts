import { defaultClientConditions, defineConfig } from "vite"

// The packages from their sources: who has them from npm needs no configuration.
export default defineConfig({ resolve: { conditions: ["@framewire/source", ...defaultClientConditions] } })
