const v4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/
const group = /^[\da-f]{1,4}$/i

/** The bytes of an IPv4 address in its one spelling, four numbers without leading zeros; undefined where it is none. */
export const ipv4ToBytes = (text: string): Uint8Array | undefined =>
  v4.test(text) ? Uint8Array.from(text.split("."), Number) : undefined

/** The 16-bit groups of one side of the double colon. */
const groupsOf = (side: string): Array<number> | undefined => {
  if (side === "") return []
  const groups: Array<number> = []
  const parts = side.split(":")
  for (const [index, part] of parts.entries()) {
    const tail = index === parts.length - 1 ? ipv4ToBytes(part) : undefined
    if (tail !== undefined) groups.push(tail[0]! << 8 | tail[1]!, tail[2]! << 8 | tail[3]!)
    else if (group.test(part)) groups.push(Number.parseInt(part, 16))
    else return undefined
  }
  return groups
}

/** The bytes of an IPv6 address without a zone, RFC 4291 section 2.2; undefined where it is none. */
export const ipv6ToBytes = (text: string): Uint8Array | undefined => {
  const sides = text.split("::")
  const left = groupsOf(sides[0]!)
  const right = groupsOf(sides[1] ?? "")
  if (left === undefined || right === undefined || sides.length > 2) return undefined
  // Dotted numbers may only be the last.
  if (sides.length === 2 && sides[0]!.includes(".")) return undefined
  const zeros = 8 - left.length - right.length
  if (sides.length === 1 ? zeros !== 0 : zeros < 1) return undefined
  const groups = [...left, ...Array.from({ length: zeros }, () => 0), ...right]
  return Uint8Array.from(groups.flatMap((value) => [value >> 8, value & 0xff]))
}

/** The one spelling of RFC 5952: small letters, the longest run of zeros left out, IPv4-mapped with dots. */
export const ipToText = (bytes: Uint8Array): string => {
  if (bytes.length === 4) return bytes.join(".")
  const groups = Array.from({ length: 8 }, (_, i) => bytes[2 * i]! << 8 | bytes[2 * i + 1]!)
  if (groups.findIndex((value) => value !== 0) === 5 && groups[5] === 0xffff) {
    return `::ffff:${bytes.subarray(12).join(".")}`
  }
  let [from, length] = [0, 1]
  for (let i = 0; i < 8; i++) {
    let end = i
    while (groups[end] === 0) end++
    if (end - i > length) [from, length] = [i, end - i]
  }
  const text = (of: ReadonlyArray<number>) => of.map((value) => value.toString(16)).join(":")
  return length < 2 ? text(groups) : `${text(groups.slice(0, from))}::${text(groups.slice(from + length))}`
}
