// The life of a connection as a table and a drawing, both from the reducer: what it does is asked, not read.
import { ConnectionState, TransportError, TransportReason } from "@framewire/core"

type State = ConnectionState.ConnectionState
type Event = ConnectionState.ConnectionEvent

const address = { host: "127.0.0.1", port: 1 }
const error = new TransportError.ReceiveError({
  reason: new TransportReason.ConnectionReset({}),
  local: address,
  remote: address
})
const events: ReadonlyArray<Event> = [
  { _tag: "Resolved" },
  { _tag: "Connected" },
  { _tag: "HandshakeStarted" },
  { _tag: "Secured" },
  { _tag: "PeerFin" },
  { _tag: "SelfFin" },
  { _tag: "Close" },
  { _tag: "Abort" },
  { _tag: "LingerExpired" },
  { _tag: "Failed", error },
  { _tag: "Released" }
]

/** All states that can be reached, and where each event leads from there. */
const explore = () => {
  const from = new Map<State["_tag"], Map<Event["_tag"], Set<State["_tag"]>>>()
  const seen = new Set<string>()
  const wait: Array<State> = [ConnectionState.resolving, ConnectionState.connecting, ConnectionState.open]
  for (let state = wait.shift(); state !== undefined; state = wait.shift()) {
    const key = JSON.stringify(state)
    if (seen.has(key)) continue
    seen.add(key)
    const row = from.get(state._tag) ?? new Map<Event["_tag"], Set<State["_tag"]>>()
    from.set(state._tag, row)
    for (const event of events) {
      const next = ConnectionState.transition(state, event)
      row.set(event._tag, (row.get(event._tag) ?? new Set()).add(next._tag))
      wait.push(next)
    }
  }
  return from
}

const edges = explore()
const targetsOf = (state: State["_tag"], event: Event["_tag"]) =>
  Array.from(edges.get(state)?.get(event) ?? []).filter((it) => it !== state)

/** The events that lead to the same state from wherever the connection is. */
const everywhere = new Map(
  events.flatMap(({ _tag }): ReadonlyArray<readonly [Event["_tag"], State["_tag"]]> => {
    const open = Array.from(edges.keys()).filter((it) => it !== "Closed")
    const targets = new Set(open.flatMap((it) => targetsOf(it, _tag)))
    const [only] = targets
    const isSo = only !== undefined && targets.size === 1 &&
      open.every((it) => it === only || targetsOf(it, _tag).length === 1)
    return isSo ? [[_tag, only]] : []
  })
)

export const table = (): {
  readonly head: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
} => ({
  head: ["in", ...events.map(({ _tag }) => `\`${_tag}\``)],
  rows: Array.from(edges.keys(), (state) => [
    `\`${state}\``,
    ...events.map(({ _tag }) => targetsOf(state, _tag).map((it) => `\`${it}\``).join(", "))
  ])
})

/** Things by what they share, in the order in which that is first met. */
const grouped = <A, K>(all: Iterable<A>, keyOf: (it: A) => K): ReadonlyMap<K, ReadonlyArray<A>> => {
  const groups = new Map<K, Array<A>>()
  for (const it of all) groups.set(keyOf(it), [...groups.get(keyOf(it)) ?? [], it])
  return groups
}

const places: Readonly<Record<State["_tag"], readonly [x: number, y: number]>> = {
  Resolving: [70, 150],
  Connecting: [256, 150],
  Open: [440, 150],
  Handshaking: [440, 40],
  ReadClosed: [610, 70],
  WriteClosed: [610, 230],
  Closing: [775, 150],
  Closed: [930, 150]
}
const [wide, high] = [112, 36]

/** Where the line to another place leaves the box. */
const border = ([x, y]: readonly [number, number], [toX, toY]: readonly [number, number]) => {
  const scale = Math.min(wide / 2 / Math.abs(toX - x || 1e-9), high / 2 / Math.abs(toY - y || 1e-9))
  return [Math.round(x + (toX - x) * scale), Math.round(y + (toY - y) * scale)] as const
}

export const svg = (): string => {
  const arrows = Array.from(edges.keys()).flatMap((state) =>
    Array.from(
      grouped(
        events.filter(({ _tag }) => !everywhere.has(_tag) || state === "Closing").flatMap(({ _tag }) =>
          targetsOf(state, _tag).map((target) => ({ _tag, target }))
        ),
        ({ target }) => target
      ),
      ([target, on]) => {
        // Two states that lead to each other have two lines, side by side.
        const isBoth = events.some(({ _tag }) => !everywhere.has(_tag) && targetsOf(target, _tag).includes(state))
        const side = isBoth ? (state < target ? 14 : -14) : 0
        const [a, b] = [places[state], places[target]]
        const [x, y] = border(a, b)
        const [toX, toY] = border(b, a)
        const label = on.map(({ _tag }) => _tag).join(", ")
        const anchor = side === 0 ? "middle" : side > 0 ? "start" : "end"
        const shift = side === 0 ? 0 : Math.sign(side) * 4
        return [
          `<line x1="${x + side}" y1="${y}" x2="${toX + side}" y2="${toY}" marker-end="url(#tip)"/>`,
          `<text class="event" x="${(x + toX) / 2 + side + shift}" y="${
            (y + toY) / 2 - 5
          }" text-anchor="${anchor}">${label}</text>`
        ].join("\n  ")
      }
    )
  )
  const boxes = Array.from(edges.keys(), (state) => {
    const [x, y] = places[state]
    return `<rect x="${x - wide / 2}" y="${y - high / 2}" width="${wide}" height="${high}" rx="6"/>` +
      `\n  <text x="${x}" y="${y + 5}" text-anchor="middle">${state}</text>`
  })
  const legend = Array.from(
    grouped(everywhere, ([, target]) => target),
    ([target, on], index) =>
      `<text x="24" y="${276 + 20 * index}">from anywhere: ${on.map(([event]) => event).join(", ")} → ${target}</text>`
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 310" role="img" aria-label="The states of a connection">
  <style>
    svg { background: #fff; font: 14px ui-sans-serif, system-ui, sans-serif }
    rect { fill: #eef2ff; stroke: #4f46e5 } line { stroke: #64748b } .event { font-size: 12px; fill: #334155; stroke: #fff; stroke-width: 4px; paint-order: stroke }
  </style>
  <defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">` +
    `<path d="M0 0 8 4 0 8z" fill="#64748b"/></marker></defs>
  ${[...arrows, ...boxes, ...legend].join("\n  ")}
</svg>
`
}
