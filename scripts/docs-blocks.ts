// The fenced blocks of a page, and what is wrong with them before anything is compiled: a block that nobody would compile,
// run or compare is not a block of ours.
export interface Block {
  readonly language: "ts" | "sh" | "json" | "text"
  /** `run` of ts, `output` of text: what the ts block above it prints. */
  readonly flag: string
  readonly line: number
  readonly body: string
}

export interface Page {
  readonly blocks: ReadonlyArray<Block>
  readonly problems: ReadonlyArray<string>
}

const kinds = ["ts", "ts run", "sh", "json", "text", "text output"]
// Code in prose stands between single backquotes; anything else that reads like it belongs into a block.
const code = /\bfrom "(?:@framewire|effect)\b|\b(?:Effect|Codec|Server|Client|Layer|Stream|Protocol)\.\w+\(/
const prints = /\b[cC]onsole\.\w+\(/

export const blocksOf = (path: string, text: string): Page => {
  const blocks: Array<Block> = []
  const problems: Array<string> = []
  const lines = text.split("\n")
  for (let at = 0; at < lines.length; at++) {
    const [, indent = "", fence, info = ""] = /^(\s*)(`{3,}|~{3,})(.*)$/.exec(lines[at]!) ?? []
    const from = `${path}:${at + 1}`
    if (fence === undefined) {
      if (code.test(lines[at]!.replaceAll(/`[^`]*`/g, ""))) problems.push(`${from}: code outside a block: ${lines[at]}`)
      continue
    }
    const line = at + 1
    const end = lines.findIndex((it, index) => index > at && it.trim() === fence)
    if (end < 0) return { blocks, problems: [...problems, `${from}: a block without an end`] }
    const body = lines.slice(at + 1, end).join("\n")
    at = end
    if (indent !== "" || fence !== "```" || !kinds.includes(info)) {
      problems.push(`${from}: a block starts its line with \`\`\` and is one of ${kinds.join(", ")}`)
      continue
    }
    const [language, flag = ""] = info.split(" ") as [Block["language"], string?]
    if (language !== "ts" && code.test(body)) problems.push(`${from}: this \`\`\`${info} is TypeScript`)
    const above = blocks.at(-1)
    if (flag === "output" && (above?.language !== "ts" || above.flag !== "run")) {
      problems.push(`${from}: \`\`\`text output is what the \`\`\`ts run above it prints`)
    }
    blocks.push({ language, flag, line, body })
  }
  for (const [index, { body, flag, language, line }] of blocks.entries()) {
    if (language === "ts" && prints.test(body) && !(flag === "run" && blocks[index + 1]?.flag === "output")) {
      problems.push(`${path}:${line}: it prints: make it \`\`\`ts run, and \`\`\`text output below it what it prints`)
    }
  }
  return { blocks, problems }
}
