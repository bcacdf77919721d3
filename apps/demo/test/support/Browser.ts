// A page in a real Chromium, and what it looks like where FRAMEWIRE_SCREENSHOTS=DIR wants to know.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { chromium, type Locator, type Page } from "playwright-core"

/** What is waited for. */
const timeout = 10_000

export const open = (
  url: string,
  colorScheme: "light" | "dark" = "light"
): Effect.Effect<Page, never, Scope.Scope> =>
  Effect.gen(function*() {
    const browser = yield* Effect.acquireRelease(
      // Its sandbox needs rights that root in a container has not.
      Effect.promise(() => chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] })),
      (browser) => Effect.promise(() => browser.close())
    )
    const context = yield* Effect.promise(() =>
      browser.newContext({ colorScheme, viewport: { width: 1280, height: 860 } })
    )
    const page = yield* Effect.promise(() => context.newPage())
    yield* Effect.promise(() => page.goto(url))
    return page
  })

/** Another tab of the same browser. */
export const another = (page: Page, url: string): Effect.Effect<Page> =>
  Effect.promise(async () => {
    const tab = await page.context().newPage()
    await tab.goto(url, { timeout })
    return tab
  })

/** What the page complains of in its console, from now on. */
export const complaints = (page: Page): ReadonlyArray<string> => {
  const all: Array<string> = []
  page.on("console", (message) => all.push(message.text()))
  page.on("pageerror", (error) => all.push(error.message))
  return all
}

export const visible = (locator: Locator): Effect.Effect<void> =>
  Effect.promise(() => locator.waitFor({ state: "visible", timeout }))
export const hidden = (locator: Locator): Effect.Effect<void> =>
  Effect.promise(() => locator.waitFor({ state: "hidden", timeout }))

/** Once the rates of the last second are drawn, too. */
export const screenshot = (page: Page, name: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    const folder = process.env["FRAMEWIRE_SCREENSHOTS"]
    if (folder === undefined) return Effect.void
    return Effect.andThen(
      Effect.sleep("1500 millis"),
      Effect.promise(() => page.screenshot({ path: `${folder}/${name}.png` }))
    )
  })
