// The connections that are open, at the foot of a terminal: it is drawn again below whatever is printed.
//
//    # client                state               frames bytes ->  frames <- bytes
//    3 127.0.0.1:53122       open                    12   1.2 kB      12   1.2 kB
import { Address } from "@framewire/core"
import type { Side } from "./TapEvent.ts"
import type { Watch } from "./Watch.ts"

const maxRows = 10

const size = (bytes: number) =>
  bytes < 1e3 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`

const row = (id: string, client: string, state: string, counts: ReadonlyArray<string>) =>
  [
    id.padStart(4),
    client.padEnd(21),
    state.padEnd(18),
    ...counts.map((count, index) => count.padStart(index % 2 === 0 ? 7 : 8))
  ].join(" ")

const stateOf = (open: boolean, fin: ReadonlyArray<Side>) =>
  fin.length > 1 ? "closing" : fin.length === 1 ? `${fin.join()} half-closed` : open ? "open" : "accepted"

/** The newest connections, `atMost` lines with the head. */
export const lines = ({ hub, watchers }: Watch, atMost: number): ReadonlyArray<string> => {
  const { lives } = hub.here()
  const room = Math.max(1, Math.min(maxRows, atMost - 2))
  const passed = (id: number, side: Side) => {
    const { bytes = 0, frames = 0 } = watchers.get(id)?.[side] ?? {}
    return [String(frames), size(bytes)]
  }
  return [
    row("#", "client", "state", ["frames", "bytes ->", "frames", "<- bytes"]),
    ...lives.slice(-room).map(({ client, connection, fin, open }) =>
      row(
        String(connection),
        Address.format(client),
        stateOf(open, fin),
        [...passed(connection, "client"), ...passed(connection, "server")]
      )
    ),
    ...lives.length > room ? [`     and ${lives.length - room} more`] : []
  ]
}

/** Of a terminal; 0, as of one that has no size, is none. */
interface Screen {
  readonly columns?: number
  readonly rows?: number
}

/** Text that takes the table away, prints, and draws the table as it is now. */
export const make = (watch: Watch, screen: Screen, colours: boolean) => {
  let drawn = 0
  return (text: string): string => {
    const erase = drawn === 0 ? "" : `\u001b[${drawn}A\u001b[J`
    // A line that wraps would be two.
    const table = lines(watch, Math.floor((screen.rows || 24) / 2)).map((line) =>
      line.slice(0, (screen.columns || 80) - 1)
    )
    drawn = table.length
    const [head = "", ...rest] = table
    return [`${erase}${text}${colours ? `\u001b[7m${head}\u001b[0m` : head}`, ...rest, ""].join("\n")
  }
}
