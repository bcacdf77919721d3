// Names to IP addresses, in the order in which RFC 8305 tries them.
import dns from "node:dns"
import * as Net from "node:net"
import * as TransportReason from "../../TransportReason.ts"

/** `dns.lookup` for all addresses. A resolver of another's making can answer anything, or nothing. */
export type Lookup = (
  name: string,
  options: dns.LookupAllOptions,
  answer: (error: Error | null, addresses?: ReadonlyArray<{ readonly address: string }>) => void
) => void

/** The operating system's resolver. */
export const systemLookup: Lookup = (name, options, answer) => dns.lookup(name, options, answer)

/** The families in turn, the resolver's first one first: a family without a route costs a delay, not one an address. */
export const interleave = (hosts: ReadonlyArray<string>): ReadonlyArray<string> => {
  const family = Net.isIP(hosts[0] ?? "")
  const first = hosts.filter((host) => Net.isIP(host) === family)
  const second = hosts.filter((host) => Net.isIP(host) !== family)
  return Array.from(
    { length: Math.max(first.length, second.length) },
    (_, i) => [...first.slice(i, i + 1), ...second.slice(i, i + 1)]
  ).flat()
}

/**
 * The addresses of a name, each once, at least one, or why there are none. Nothing ends a lookup early: who no longer
 * waits ignores its answer.
 */
export const resolve = (
  lookup: Lookup,
  name: string,
  family: 4 | 6 | undefined,
  answer: (result: ReadonlyArray<string> | TransportReason.TransportReason) => void
): void =>
  lookup(name, { all: true, order: "verbatim", family: family ?? 0 }, (error, addresses = []) => {
    if (error !== null) return answer(TransportReason.fromCause(error))
    const hosts = Array.from(new Set(addresses.map(({ address }) => address)))
    const usable = hosts.filter((host) => family === undefined ? Net.isIP(host) !== 0 : Net.isIP(host) === family)
    if (usable.length > 0) return answer(interleave(usable))
    // node:net would take these for names, and throw for none at all.
    const strange = hosts.find((host) => Net.isIP(host) === 0)
    answer(
      strange === undefined
        ? new TransportReason.NameNotFound({})
        : new TransportReason.InvalidAddress({ detail: `the resolver answered ${JSON.stringify(strange)}` })
    )
  })
