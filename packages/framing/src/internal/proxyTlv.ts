import type { Tlv } from "../ProxyHeader.ts"

/** Makes the error that says what is wrong: of one kind when reading, of another when writing. */
export type Fail = (detail: string) => Error

const types = {
  alpn: 0x01,
  authority: 0x02,
  crc32c: 0x03,
  noop: 0x04,
  uniqueId: 0x05,
  ssl: 0x20,
  sslVersion: 0x21,
  sslCn: 0x22,
  sslCipher: 0x23,
  sslSigAlg: 0x24,
  sslKeyAlg: 0x25,
  sslGroup: 0x26,
  sslSigScheme: 0x27,
  sslClientCert: 0x28,
  netns: 0x30
} as const

/** The elements that the specification names. */
export type Name = keyof typeof types

const names = new Map<number, Name>()
for (const name in types) if (isName(name)) names.set(types[name], name)

function isName(name: string): name is Name {
  return Object.hasOwn(types, name)
}

interface Elements {
  readonly tlvs: ReadonlyArray<Tlv>
  /** Where the value of the checksum is, if there is one. */
  readonly checksum: number | undefined
}

const maxUniqueId = 128

/** What neither side lets pass. */
const check = (name: Name | undefined, size: number, parent: Name | undefined, second: boolean, fail: Fail): void => {
  if (parent !== undefined && (name === "ssl" || name === "crc32c")) throw fail(`${name} within ${parent}`)
  if (name === "crc32c" && second) throw fail("a second crc32c")
  if (name === "crc32c" && size !== 4) throw fail(`a crc32c of ${size} bytes, it has 4`)
  if (name === "ssl" && size < 5) throw fail(`an ssl of ${size} bytes, it has 5 at least`)
  if (name === "uniqueId" && size > maxUniqueId) throw fail(`a uniqueId of ${size} bytes, ${maxUniqueId} are allowed`)
}

/** The elements from `from` on. */
export const read = (bytes: Uint8Array, from: number, fail: Fail, parent?: Name): Elements => {
  const tlvs: Array<Tlv> = []
  let checksum: number | undefined
  for (let at = from; at < bytes.length;) {
    const start = at + 3
    if (start > bytes.length) throw fail("the header ends within an element")
    const type = bytes[at]!
    at = start + (bytes[at + 1]! << 8 | bytes[at + 2]!)
    if (at > bytes.length) throw fail(`an element of ${at - start} bytes, ${bytes.length - start} are left`)
    const value = bytes.subarray(start, at)
    const name = names.get(type)
    check(name, value.length, parent, checksum !== undefined, fail)
    if (name === "crc32c") {
      checksum = start
      tlvs.push({ type: name })
    } else if (name === "ssl") {
      const client = value[0]!
      tlvs.push({
        type: name,
        tls: (client & 1) > 0,
        certInConnection: (client & 2) > 0,
        certInSession: (client & 4) > 0,
        verify: new DataView(value.buffer, value.byteOffset).getUint32(1),
        tlvs: read(value, 5, fail, name).tlvs
      })
    } else {
      tlvs.push({ type: name ?? type, value })
    }
  }
  return { tlvs, checksum }
}

const valueOf = (tlv: Tlv, fail: Fail): ArrayLike<number> => {
  if (tlv.type === "crc32c") return [0, 0, 0, 0]
  if (tlv.type !== "ssl") return tlv.value
  const { certInConnection, certInSession, tls, verify } = tlv
  if (!(Number.isInteger(verify) && verify >= 0 && verify < 2 ** 32)) throw fail(`verify ${verify}, it has 32 bits`)
  const client = (tls ? 1 : 0) | (certInConnection ? 2 : 0) | (certInSession ? 4 : 0)
  const value = [client, ...[24, 16, 8, 0].map((shift) => verify >>> shift & 0xff)]
  write(tlv.tlvs, value, fail, tlv.type)
  return value
}

/** Appends the elements, and returns where the value of the checksum is, if there is one. */
export const write = (
  tlvs: ReadonlyArray<Tlv>,
  into: Array<number>,
  fail: Fail,
  parent?: Name
): number | undefined => {
  let checksum: number | undefined
  for (const tlv of tlvs) {
    const type = typeof tlv.type === "number" ? tlv.type : types[tlv.type]
    const name = names.get(type)
    if (!(Number.isInteger(type) && type >= 0 && type <= 255)) throw fail(`an element ${type}, it is one byte`)
    if (tlv.type !== (name ?? type)) throw fail(`an element ${type}, its name is ${name}`)
    const value = valueOf(tlv, fail)
    check(name, value.length, parent, checksum !== undefined, fail)
    if (value.length > 65_535) throw fail(`an element of ${value.length} bytes, 65535 are allowed`)
    into.push(type, value.length >> 8, value.length & 0xff)
    if (name === "crc32c") checksum = into.length
    for (let i = 0; i < value.length; i++) into.push(value[i]!)
  }
  return checksum
}
