/** The framings that a spec can name, by what tells their frames apart, with the options that each has. */
import * as Ber from "../Ber.ts"
import * as Checked from "../Checked.ts"
import * as Cobs from "../Cobs.ts"
import type { Framing } from "../Codec.ts"
import * as ConcatenatedJson from "../ConcatenatedJson.ts"
import * as ContentLength from "../ContentLength.ts"
import * as Delimited from "../Delimited.ts"
import * as FixedLength from "../FixedLength.ts"
import { InvalidOption } from "../FramingError.ts"
import * as JsonSequence from "../JsonSequence.ts"
import * as LengthPrefixed from "../LengthPrefixed.ts"
import * as Lines from "../Lines.ts"
import * as Netstring from "../Netstring.ts"
import * as OctetCounted from "../OctetCounted.ts"
import * as Preset from "../Preset.ts"
import * as Slip from "../Slip.ts"
import * as SunRpcRecord from "../SunRpcRecord.ts"
import * as Tpkt from "../Tpkt.ts"
import * as Varint from "../Varint.ts"
import { fromHex } from "./hex.ts"
import { bytes, counted, flag, hex, type Kind, spec, text, version, words } from "./specValue.ts"

/** Options as they were given, all of them of their kind, and none missing. */
type Given = Readonly<Record<string, string>>

export interface Entry {
  readonly options: Readonly<Record<string, Kind>>
  /** The option whose value can stand without its name. */
  readonly main?: string
  /** One of each of these has to be given. */
  readonly required?: ReadonlyArray<ReadonlyArray<string>>
  /** `inner` is the framing that an option of the kind `spec` says. */
  readonly make: (given: Given, inner?: Framing) => Framing
}

interface Limit {
  readonly limit?: number
}

const limitOf = ({ limit }: Given): Limit => limit === undefined ? {} : { limit: Number(limit) }

const onTooLongOf = <A extends string>({ onTooLong }: Given, ...allowed: ReadonlyArray<A>) => {
  const chosen = allowed.find((word) => word === onTooLong)
  return chosen === undefined ? {} : { onTooLong: chosen }
}

const limited = (make: (options: Limit) => Framing): Entry => ({
  options: { limit: bytes },
  make: (given) => make(limitOf(given))
})

const failOrSkip = words("fail", "skip")
const failSkipOrTruncate = words("fail", "skip", "truncate")

const skippable = (make: (options: Limit & { readonly onTooLong?: "fail" | "skip" }) => Framing): Entry => ({
  options: { limit: bytes, onTooLong: failOrSkip },
  make: (given) => make({ ...limitOf(given), ...onTooLongOf(given, "fail", "skip") })
})

const lines: Entry = {
  options: { crlf: flag, strict: flag, onTooLong: failSkipOrTruncate, limit: bytes },
  make: (given) =>
    Lines.make({
      ending: "crlf" in given ? "crlf" : "lf",
      strict: "strict" in given,
      ...onTooLongOf(given, "fail", "skip", "truncate"),
      ...limitOf(given)
    })
}

const delimited: Entry = {
  options: {
    delimiter: hex,
    text,
    keep: flag,
    allowTruncated: flag,
    onTooLong: failSkipOrTruncate,
    limit: bytes
  },
  main: "delimiter",
  required: [["delimiter", "text"]],
  make: (given) => {
    const { delimiter, text } = given
    if (delimiter !== undefined && text !== undefined) {
      throw new InvalidOption({ option: "text", value: text, allowed: "what no hex stands beside" })
    }
    return Delimited.make({
      delimiter: text ?? (delimiter ?? "").split("+").flatMap((digits) => fromHex(digits) ?? []),
      keep: "keep" in given,
      allowTruncated: "allowTruncated" in given,
      ...onTooLongOf(given, "fail", "skip", "truncate"),
      ...limitOf(given)
    })
  }
}

const widths = { 1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 8: 8 } as const
const isWidth = (width: string | undefined): width is `${keyof typeof widths}` => width !== undefined && width in widths

const length: Entry = {
  options: {
    width: words(...Object.keys(widths)),
    endian: words("be", "le"),
    offset: bytes,
    counts: counted,
    strip: bytes,
    onTooLong: failOrSkip,
    limit: bytes
  },
  required: [["width"]],
  make: (given) => {
    const { counts = "payload", endian, offset, strip, width } = given
    if (!isWidth(width)) throw new InvalidOption({ option: "width", value: width, allowed: "1 to 8 bytes" })
    return LengthPrefixed.make({
      width: widths[width],
      endian: endian === "le" ? "le" : "be",
      offset: Number(offset ?? 0),
      counts: counts === "payload" || counts === "frame" ? counts : Number(counts),
      ...(strip === undefined ? {} : { strip: Number(strip) }),
      ...onTooLongOf(given, "fail", "skip"),
      ...limitOf(given)
    })
  }
}

const fixed: Entry = {
  options: { size: bytes, allowTruncated: flag },
  main: "size",
  required: [["size"]],
  make: (given) => FixedLength.make({ size: Number(given["size"]), allowTruncated: "allowTruncated" in given })
}

const minimal = (make: (options: Limit & { readonly minimal: boolean }) => Framing): Entry => ({
  options: { minimal: flag, limit: bytes },
  make: (given) => make({ minimal: "minimal" in given, ...limitOf(given) })
})

const concatenatedJson: Entry = {
  options: { elements: flag, limit: bytes },
  make: (given) => ConcatenatedJson.make({ elements: "elements" in given, ...limitOf(given) })
}

const checksums: Readonly<Record<string, Checked.Checksum>> = {
  crc32: Checked.crc32,
  crc32c: Checked.crc32c,
  crc16ccitt: Checked.crc16Ccitt,
  adler32: Checked.adler32
}

const checked: Entry = {
  options: {
    checksum: words(...Object.keys(checksums)),
    endian: words("be", "le"),
    at: words("end", "start"),
    of: spec
  },
  main: "checksum",
  required: [["checksum"], ["of"]],
  make: ({ at, checksum = "", endian }, inner) => {
    const sum = checksums[checksum]
    if (sum === undefined || inner === undefined) {
      throw new InvalidOption({ option: "of", value: inner, allowed: "a checksum of a framing" })
    }
    if (inner.limit < sum.width) {
      throw new InvalidOption({ option: "of", value: inner.limit, allowed: `a limit of ${sum.width} bytes or more` })
    }
    return Checked.make(inner, {
      checksum: { ...sum, endian: endian === "be" || endian === "le" ? endian : sum.endian },
      at: at === "start" ? "start" : "end"
    })
  }
}

const erlang: Entry = {
  options: { width: words("1", "2", "4"), limit: bytes },
  main: "width",
  required: [["width"]],
  make: (given) => Preset.erlang(given["width"] === "1" ? 1 : given["width"] === "2" ? 2 : 4, limitOf(given))
}

const fix: Entry = {
  options: { begin: version, limit: bytes },
  main: "begin",
  required: [["begin"]],
  make: (given) => Preset.fix({ begin: given["begin"] ?? "", ...limitOf(given) })
}

export const catalogue: Readonly<Record<string, Readonly<Record<string, Entry>>>> = {
  "by their end": {
    lines,
    delimited,
    slip: skippable(Slip.make),
    cobs: skippable(Cobs.make),
    "concatenated-json": concatenatedJson,
    "json-seq": skippable(JsonSequence.framing)
  },
  "by a length": {
    u8: limited(LengthPrefixed.u8),
    u16be: limited(LengthPrefixed.u16be),
    u16le: limited(LengthPrefixed.u16le),
    u24be: limited(LengthPrefixed.u24be),
    u24le: limited(LengthPrefixed.u24le),
    u32be: limited(LengthPrefixed.u32be),
    u32le: limited(LengthPrefixed.u32le),
    length,
    varint: minimal(Varint.make),
    ber: minimal(Ber.make),
    netstring: limited(Netstring.make),
    octets: limited(OctetCounted.make),
    "content-length": limited(ContentLength.make),
    tpkt: limited(Tpkt.make),
    sunrpc: limited(SunRpcRecord.make)
  },
  "of one size": { fixed },
  "of others, with a checksum": { checked },
  "of a protocol": {
    amqp: limited(Preset.amqp),
    bittorrent: limited(Preset.bitTorrent),
    dns: limited(Preset.dns),
    erlang,
    fix,
    gelf: limited(Preset.gelf),
    grpc: limited(Preset.grpc),
    iso8583: limited(Preset.iso8583),
    kafka: limited(Preset.kafka),
    ldap: limited(Preset.ldap),
    lsp: limited(Preset.lsp),
    mllp: limited(Preset.mllp),
    modbus: limited(Preset.modbus),
    mqtt: limited(Preset.mqtt),
    "native-messaging": limited(Preset.nativeMessaging),
    postgres: limited(Preset.postgres),
    "postgres-startup": limited(Preset.postgresStartup),
    smpp: limited(Preset.smpp),
    "ssh-agent": limited(Preset.sshAgent),
    syslog: limited(Preset.syslog),
    "syslog-lines": limited(Preset.syslogLines),
    thrift: limited(Preset.thrift)
  }
}

export const entries: ReadonlyMap<string, Entry> = new Map(Object.values(catalogue).flatMap(Object.entries<Entry>))
