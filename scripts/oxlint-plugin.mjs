// House rule for oxlint: every exported declaration of a package's src carries JSDoc with @since and @category;
// of overloads each one, but not what implements them, which nobody sees;
// a barrel (index.ts) and an `export * from` need only @since, and internal/ is not part of what is published.
const documented = {
  meta: { type: "suggestion", docs: { description: "Exported declarations need JSDoc with @since and @category" } },
  create(context) {
    const barrel = /[\\/]index\.ts$/.test(context.filename)
    if (/[\\/]internal[\\/]/.test(context.filename)) return {}
    const overloaded = new Set()
    const check = (node) => {
      const star = node.type === "ExportAllDeclaration"
      if (node.declaration == null && !star && !barrel) return
      if (node.declaration?.type === "TSDeclareFunction") overloaded.add(node.declaration.id.name)
      else if (overloaded.has(node.declaration?.id?.name)) return
      const comment = context.sourceCode.getCommentsBefore(node).findLast((it) => it.type === "Block")
      const text = comment?.value.startsWith("*") ? comment.value : ""
      const wanted = barrel || star ? ["@since"] : ["@since", "@category"]
      const missing = text.includes("@internal") ? [] : wanted.filter((tag) => !text.includes(tag))
      if (missing.length > 0) context.report({ node, message: `Add JSDoc with ${missing.join(" and ")}.` })
    }
    return { ExportNamedDeclaration: check, ExportDefaultDeclaration: check, ExportAllDeclaration: check }
  }
}

export default { meta: { name: "house" }, rules: { documented } }
