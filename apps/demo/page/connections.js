// Connections, newest first, each with its life as TCP has it: 200 of them, and those that are over go first.
import { at, make } from "./elements.js"
import { filter } from "./frames.js"

const maxConnections = 200

const connections = new Map()

/** As far as it has come. */
const lifeOf = ({ closed, fin, open }) => {
  const life = make("div", "life")
  const broken = closed && (closed.client !== "graceful" || (closed.server ?? "graceful") !== "graceful")
  const steps = [
    ["listen", true],
    ["accepted", true],
    ["open", open],
    ["client half-closed", fin.client],
    ["server half-closed", fin.server],
    ["closing", fin.client && fin.server],
    [/reset/.test(`${closed?.client} ${closed?.server}`) ? "reset" : "closed", closed !== undefined]
  ]
  const now = steps.map(([, is]) => is).lastIndexOf(true)
  steps.forEach(([name, is], index) => {
    const step = make("span", index === now ? broken ? "broken" : "now" : is ? "past" : "", name)
    if (index === now) step.setAttribute("aria-current", "step")
    life.append(step)
  })
  return life
}

const draw = (id, { closed, ...known }) => {
  const who = [known.door, known.client].filter(Boolean).join(" ")
  known.row.replaceChildren(make("b", "mono", `#${id} `), make("span", "mono", who), lifeOf({ ...known, closed }))
  if (closed === undefined) return
  const how = closed.server === undefined ? closed.client : `client ${closed.client}, server ${closed.server}`
  known.row.append(make("div", "dim", how))
}

const add = (id) => {
  const row = make("li")
  row.tabIndex = 0
  row.title = "Enter shows only this one"
  row.addEventListener("click", () => filter(`#${id}`))
  row.addEventListener("keydown", (key) => {
    if (key.key === "Enter") filter(`#${id}`)
  })
  const known = { open: false, fin: {}, row }
  connections.set(id, known)
  at("connections").prepend(row)
  if (connections.size > maxConnections) {
    const [oldest, gone] = [...connections].find(([, { closed }]) => closed) ?? [...connections][0]
    gone.row.remove()
    connections.delete(oldest)
  }
  return known
}

const change = (id, how) => {
  const known = connections.get(id)
  if (known === undefined) return
  Object.assign(known, how(known))
  draw(id, known)
}

export const accepted = ({ client, connection, door }) => {
  if (!connections.has(connection)) add(connection)
  change(connection, () => ({ client, door }))
}
export const dialled = ({ connection }) => change(connection, () => ({ open: true }))
export const halfClosed = ({ by, connection }) => change(connection, ({ fin }) => ({ fin: { ...fin, [by]: true } }))
export const closed = (event) => change(event.connection, () => ({ closed: event }))

/** What is open now: the others have ended while nobody told. */
export const open = (lives) => {
  const ids = new Set(lives.map(({ connection }) => connection))
  for (const [id, known] of connections) {
    if (!ids.has(id) && !known.closed) closed({ connection: id, client: "ended unseen" })
  }
  for (const life of lives) {
    accepted(life)
    if (life.open) dialled(life)
    for (const by of life.fin) halfClosed({ by, connection: life.connection })
  }
}
