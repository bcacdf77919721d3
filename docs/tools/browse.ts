// Looks at the built site as a reader does: every link of every page leads somewhere, every page that the sidebar has opens in
// Chromium without an error, and the search finds what is there. Without Chromium only the links are checked, unless
// FRAMEWIRE_REQUIRE_PEERS is set. SCREENSHOTS=DIR keeps what was seen.
import { existsSync, globSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import { extname, join, posix } from "node:path"
import { chromium } from "playwright-core"

const site = join(import.meta.dirname, "..", ".vitepress", "dist")
const problems: Array<string> = []

/** The file that a path of the site is, as a static host with clean URLs finds it. */
const fileOf = (path: string): string | undefined =>
  [path, `${path}.html`, posix.join(path, "index.html")].find((it) => extname(it) !== "" && existsSync(join(site, it)))

const pages = globSync("**/*.html", { cwd: site }).toSorted()
const anchors = new Map(pages.map((page) => [
  page,
  new Set(Array.from(readFileSync(join(site, page), "utf8").matchAll(/ id="([^"]+)"/g), ([, id = ""]) => id))
]))
let links = 0
for (const page of pages) {
  for (const [, href = ""] of readFileSync(join(site, page), "utf8").matchAll(/<a\b[^>]* href="([^"]+)"/g)) {
    if (/^[a-z]+:/.test(href)) continue
    links++
    const { hash, pathname } = new URL(href, `http://site/${page}`)
    const file = fileOf(decodeURIComponent(pathname).slice(1) || "index.html")
    if (file === undefined) problems.push(`${page}: nothing is at ${href}`)
    else if (hash.length > 1 && anchors.get(file)?.has(decodeURIComponent(hash.slice(1))) === false) {
      problems.push(`${page}: ${file} has no ${hash}`)
    }
  }
}
if (pages.length < 50 || links < 1000) problems.push(`only ${pages.length} pages with ${links} links`)
console.log(`${pages.length} pages, ${links} links`)

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".json": "application/json",
  ".woff2": "font/woff2"
}

const browse = async (origin: string) => {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] })
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
    const see = async (name: string) => {
      const folder = process.env["SCREENSHOTS"]
      if (folder !== undefined) await page.screenshot({ path: join(folder, `${name}.png`) })
    }
    page.on("pageerror", (error) => problems.push(`${page.url()}: ${error.message}`))
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(`${page.url()}: ${message.text()} ${message.location().url}`)
    })
    page.on("requestfailed", (request) => {
      // What was asked for ahead is given up when the page is left.
      const why = request.failure()?.errorText
      if (why !== "net::ERR_ABORTED") problems.push(`${page.url()}: ${request.url()} failed: ${why}`)
    })
    page.on("request", (request) => {
      if (!request.url().startsWith(origin) && !request.url().startsWith("data:")) {
        problems.push(`${page.url()}: asks ${request.url()}`)
      }
    })

    await page.goto(origin, { waitUntil: "networkidle" })
    await see("home")
    const hrefs = await page.locator(".VPSidebar a").evaluateAll((all) =>
      all.map((it) => it.getAttribute("href") ?? "")
    )
    for (const href of hrefs.filter((it) => !it.startsWith("/api/"))) {
      await page.goto(new URL(href, origin).href, { waitUntil: "load" })
      const title = await page.locator("h1").first().innerText()
      const broken = await page.locator("main img").evaluateAll((all) =>
        all.filter((it) => "naturalWidth" in it && it.naturalWidth === 0).length
      )
      if (title.trim() === "" || broken > 0) problems.push(`${href}: title "${title}", ${broken} broken images`)
      if (/architecture|nouns|defaults/.test(href)) await see(href.replaceAll(/\W+/g, "-"))
    }

    for (
      const [words, found] of [["starttls", "/guide/switching"], [
        "drainDeadline",
        "/reference/defaults"
      ]] as const
    ) {
      await page.goto(origin, { waitUntil: "networkidle" })
      await page.keyboard.press("Control+k")
      await page.locator(".VPLocalSearchBox input").fill(words)
      const hit = page.locator(`.VPLocalSearchBox .result[href*="${found}"]`).first()
      await hit.waitFor({ timeout: 10_000 })
      await see(`search-${words.replaceAll(" ", "-")}`)
      await hit.click()
      await page.waitForURL(`**${found}*`, { timeout: 10_000 })
    }
    await page.locator(".VPNavBar .VPSwitchAppearance").first().click()
    await see("dark")
    console.log(`${hrefs.length} pages in the sidebar; the search finds`)
  } finally {
    await browser.close()
  }
}

if (existsSync("/usr/bin/chromium")) {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://site").pathname).slice(1)
    const file = fileOf(path || "index.html")
    response.writeHead(file === undefined ? 404 : 200, { "content-type": types[extname(file ?? "")] ?? "text/plain" })
    response.end(file === undefined ? "" : readFileSync(join(site, file)))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  try {
    if (typeof address === "object" && address !== null) await browse(`http://127.0.0.1:${address.port}`)
  } catch (error) {
    problems.push(String(error))
  } finally {
    server.close()
  }
} else if (process.env["FRAMEWIRE_REQUIRE_PEERS"] !== undefined) problems.push("there is no /usr/bin/chromium")
else console.log("no /usr/bin/chromium: nothing was looked at")

for (const text of problems) console.error(text)
process.exitCode = problems.length === 0 ? 0 : 1
