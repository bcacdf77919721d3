// Writes docs/api: a page for each noun of each package, from its JSDoc. A link that leads nowhere is a warning, and a warning
// is a failure.
import { join } from "node:path"
import { load, type PluginOptions } from "typedoc-plugin-markdown"
import { application, convert, root } from "./model.ts"

const markdown: Partial<PluginOptions> = {
  entryFileName: "index",
  hidePageHeader: true,
  hideBreadcrumbs: false,
  parametersFormat: "table",
  interfacePropertiesFormat: "list",
  useCodeBlocks: true,
  expandObjects: true
}

const app = await application({
  plugin: [load],
  router: "module",
  out: join(root, "docs", "api"),
  navigation: { includeCategories: false },
  ...markdown
})
const project = await convert(app)
project.name = "API"
await app.generateOutputs(project)
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1
