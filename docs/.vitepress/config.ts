import { globSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"
import { defineConfig } from "vitepress"

const home = join(import.meta.dirname, "..")
const titleOf = (path: string) => /^# (.+)$/m.exec(readFileSync(join(home, path), "utf8"))?.[1] ?? path
const item = (path: string) => ({
  text: titleOf(path).replaceAll("\\", ""),
  link: `/${path.replace(/(index)?\.md$/, "")}`
})
const section = (text: string, paths: ReadonlyArray<string>) => ({ text, items: paths.map(item) })

// In the order in which they are read.
const chapters = [
  "first-server",
  "nouns",
  "framing",
  "codec",
  "switching",
  "limits",
  "errors",
  "testing",
  "observe",
  "operate",
  "scale",
  "coming-from",
  "effect"
].map((name) => `guide/${name}.md`)
const others = globSync("guide/*.md", { cwd: home }).filter((path) => !chapters.includes(path))

const api = globSync("api/@framewire/**/index.md", { cwd: home }).toSorted().map((path) => {
  const folder = path.slice(0, -"index.md".length)
  const nouns = globSync(["*.md", "namespaces/*.md"].map((it) => folder + it), { cwd: home }).toSorted()
  return {
    text: folder.slice("api/".length, -1),
    collapsed: true,
    items: nouns.map((it) => ({
      text: it === path ? "all" : basename(it, ".md"),
      link: `/${it.replace(/(index)?\.md$/, "")}`
    }))
  }
})

export default defineConfig({
  title: "framewire",
  description: "Framing protocols over TCP for Effect",
  lang: "en",
  cleanUrls: true,
  lastUpdated: false,
  srcExclude: ["**/node_modules/**"],
  head: [
    ["link", { rel: "icon", href: "data:," }],
    // Our lines have 120 columns.
    ["style", {}, ":root { --vp-code-font-size: .75em } .VPDoc .content-container { max-width: 960px !important }"]
  ],
  themeConfig: {
    search: {
      provider: "local",
      options: {
        // Every word counts, and who searches wants the page that explains it before the list of all members.
        miniSearch: {
          searchOptions: { combineWith: "AND", boostDocument: (id: string) => id.startsWith("/api/") ? 0.1 : 1 }
        }
      }
    },
    nav: [
      { text: "Guide", link: "/guide/first-server" },
      { text: "Reference", link: "/reference/defaults" },
      { text: "API", link: "/api/" }
    ],
    sidebar: [
      section("Guide", [...chapters, ...others]),
      section("Inside", ["architecture.md", ...globSync("performance*.md", { cwd: home })]),
      section("Reference", globSync("reference/*.md", { cwd: home }).toSorted()),
      { text: "API", items: api },
      { ...section("Decisions", globSync("decisions/*.md", { cwd: home }).toSorted()), collapsed: true }
    ],
    outline: { level: [2, 3] }
  }
})
