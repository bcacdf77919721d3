/**
 * The codecs of other implementations, by their own option names, as codecs of ours: `kind` says whose it is, and each
 * entry translates what the options mean there (research/framing.md §2.0).
 */
import {
  Ber,
  Codec,
  ConcatenatedJson,
  Decoder,
  Delimited,
  FixedLength,
  FramingSpec,
  LengthPrefixed,
  Lines,
  Ndjson,
  Netstring,
  Varint
} from "@framewire/framing"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { hex, show } from "../support.ts"

export interface Config {
  readonly kind: string
  readonly [option: string]: unknown
}

/** A codec, or that there is none for this and why. */
export type Vendor = Codec.Codec<unknown, Uint8Array> | Missing

interface Missing {
  readonly missing: string
}

const missing = (why: string): Missing => ({ missing: why })

// The vectors are somebody else's JSON: an option that is not what it has to be there is a broken vector.
const broken = (name: string, value: unknown): never => {
  throw new TypeError(`the option ${name} is ${JSON.stringify(value)}`)
}
const number = (config: Config, name: string, otherwise?: number): number => {
  const value = config[name] ?? otherwise
  return typeof value === "number" ? value : broken(name, value)
}
const text = (config: Config, name: string): string => {
  const value = config[name]
  return typeof value === "string" ? value : broken(name, value)
}
const endian = (config: Config) => config["byteOrder"] === "LE" ? "le" : "be"

type Width = LengthPrefixed.LengthPrefixedOptions["width"]
const width = (value: number): Width =>
  value === 1 || value === 2 || value === 3 || value === 4 || value === 5 || value === 6 || value === 7 || value === 8
    ? value
    : broken("width", value)

/**
 * A length field of ours, `counts` bytes more than it says behind it. A limit of theirs can be more than the width can
 * say, and none at all.
 */
const lengthField = (
  options: Omit<LengthPrefixed.LengthPrefixedOptions, "limit"> & { readonly counts: number; readonly strip: number },
  limit: number
): Codec.Framing => {
  const header = (options.offset ?? 0) + options.width
  const most = 256 ** options.width - 1 + header + options.counts - Math.max(header, options.strip)
  return LengthPrefixed.make({ ...options, limit: Math.max(0, Math.min(limit, most, 2 ** 32)) })
}

/** A length field, then as many bytes. */
const sized = (size: number, limit: number): Codec.Framing =>
  lengthField({ width: width(size), counts: 0, strip: size }, limit)

const unlimited = 2 ** 31 - 1

/** Another way to read with the codecs, which all borrow the connection's buffer. */
const reading = (codec: Codec.Framing, start: () => Decoder.Step<Uint8Array>): Codec.Framing => ({
  ...codec,
  decoder: Decoder.make(start)
})

/** One codec for the first `frames` frames, and then the other. */
const switching = (first: Codec.Framing, frames: number, then: Codec.Framing): Codec.Framing =>
  reading(first, () => {
    const [before, after] = [first.decoder.start(), then.decoder.start()]
    let left = frames
    return (reader) => {
      const frame = left > 0 ? before(reader) : after(reader)
      if (frame instanceof Uint8Array) left--
      return frame
    }
  })

/** So many bytes are dropped before each frame but the first, or before the first alone. */
const dropping = (codec: Codec.Framing, bytes: number, before: "first" | "others"): Codec.Framing =>
  reading(codec, () => {
    const step = codec.decoder.start()
    let drop = before === "first" ? bytes : 0
    return (reader) => {
      if (reader.length < drop) return reader.need(drop)
      reader.discard(drop)
      drop = 0
      const frame = step(reader)
      if (frame instanceof Uint8Array && before === "others") drop = bytes
      return frame
    }
  })

/** Lines, of which `len N` says how many raw bytes follow the next empty one. */
const linesAndRaw = (lines: Codec.Framing): Codec.Framing =>
  reading(lines, () => {
    const step = lines.decoder.start()
    let size = 0
    return (reader) => {
      if (reader.length > 0 && reader.at(0) === 0x0a) {
        if (reader.length <= size) return reader.need(1 + size)
        reader.skip(1)
        return reader.take(size)
      }
      const line = step(reader)
      if (line instanceof Uint8Array) size = Number(/^len (\d+)$/.exec(show(line))?.[1] ?? size)
      return line
    }
  })

/** No framing: what has come, as it has come. */
const raw: Codec.Framing = {
  limit: unlimited,
  decoder: Decoder.make(() => (reader) => reader.length === 0 ? reader.need() : reader.take(reader.length)),
  encode: (payload, writer) => writer.bytes(payload)
}

const erlang = (config: Config, packet: unknown): Codec.Framing | Missing => {
  const limit = number(config, "packetSize", 0) || unlimited
  switch (packet) {
    case "raw":
      return raw
    case "raw(2 bytes)":
      return FixedLength.make({ size: 2 })
    case "1":
    case "2":
    case "4":
      // Without a limit what does not fit 31 bits is refused.
      return sized(Number(packet), limit)
    case "line": {
      const delimiter = Uint8Array.of(number(config, "lineDelimiter", 0x0a))
      const cut = config["lineLength"]
      return cut === undefined
        ? Delimited.make({ delimiter, keep: true, limit: limit - 1 })
        : Delimited.make({ delimiter, keep: true, limit: number(config, "lineLength"), onTooLong: "truncate" })
    }
    case "asn1":
      return Ber.make({ limit })
    case "tpkt":
      return LengthPrefixed.make({ offset: 2, width: 2, counts: "frame", strip: false })
    case "sunrm":
      return LengthPrefixed.fromHeader({
        header: 4,
        strip: false,
        sizeOf: ([first = 0, ...rest]) => rest.reduce((size, byte) => size * 256 + byte, first & 0x7f)
      })
    case "cdr":
      return LengthPrefixed.fromHeader({
        header: 12,
        strip: false,
        sizeOf: (header) => new DataView(header.buffer, header.byteOffset).getUint32(8, ((header[6] ?? 0) & 1) === 1)
      })
    case "fcgi":
      return LengthPrefixed.fromHeader({
        header: 8,
        strip: false,
        sizeOf: (header) => new DataView(header.buffer, header.byteOffset).getUint16(4) + (header[6] ?? 0)
      })
    default:
      return missing(`packets of the form ${String(packet)}`)
  }
}

const withText = (framing: Codec.Framing): Vendor =>
  Codec.transform(Codec.text(framing), (line) => line, (payload: Uint8Array) => new TextDecoder().decode(payload))

/** The value of each line, written as JSON. */
const json = (options: Ndjson.NdjsonOptions): Vendor =>
  Codec.transform(
    Ndjson.make(Schema.Unknown, options),
    (value) => JSON.stringify(value),
    (payload: Uint8Array) => JSON.parse(new TextDecoder().decode(payload)) as unknown
  )

const vendors: Record<string, (config: Config) => Vendor> = {
  /** What a recorder of ours writes. */
  framewire: (config) => Result.getOrThrow(FramingSpec.parse(text(config, "spec"))).framing,

  "netty.lengthField": (config) => {
    const [offset, size] = [number(config, "lengthFieldOffset"), width(number(config, "lengthFieldLength"))]
    const [strip, counts] = [number(config, "initialBytesToStrip"), number(config, "lengthAdjustment")]
    // Their limit is of the whole frame. After a long one they go on behind it.
    const limit = number(config, "maxFrameLength") - Math.max(offset + size, strip)
    return lengthField({ offset, width: size, counts, strip, endian: endian(config), onTooLong: "skip" }, limit)
  },
  "netty.lengthFieldPrepender": (config) => {
    const size = width(number(config, "lengthFieldLength"))
    const itself = config["lengthIncludesLengthFieldLength"] === true ? size : 0
    const counts = -number(config, "lengthAdjustment") - itself
    return lengthField({ width: size, counts, strip: size, endian: endian(config) }, unlimited)
  },
  "netty.line": (config) => {
    const limit = number(config, "maxLength")
    return config["stripDelimiter"] === false
      ? Delimited.make({ delimiter: ["\n", "\r\n"], keep: true, limit, onTooLong: "skip" })
      : Lines.make({ limit, onTooLong: "skip" })
  },
  "netty.delimiter": (config) =>
    Delimited.make({
      delimiter: delimiters(config["delimiters"]),
      keep: config["stripDelimiter"] === false,
      limit: number(config, "maxFrameLength"),
      onTooLong: "skip"
    }),
  "netty.varint32": () => Varint.make({ limit: unlimited }),
  "netty.varint32Prepender": () => Varint.make({ limit: unlimited }),
  "netty.fixed": (config) => FixedLength.make({ size: number(config, "frameLength") }),
  "netty.json": (config) =>
    ConcatenatedJson.make({
      elements: config["streamArrayElements"] === true,
      limit: number(config, "maxObjectLength")
    }),
  "netty.removeAfterOneByte": () => dropping(raw, 1, "first"),

  "tokio.lengthDelimited": (config) => {
    const [offset, size] = [number(config, "lengthFieldOffset", 0), width(number(config, "lengthFieldLength"))]
    const strip = number(config, "numSkip", offset + size)
    // They count what is left once `numSkip` bytes are gone, and limit what the field says.
    const counts = number(config, "lengthAdjustment") - (offset + size) + strip
    const limit = number(config, "maxFrameLength") + offset + size + counts - Math.max(offset + size, strip)
    return lengthField({ offset, width: size, counts, strip, endian: endian(config) }, limit)
  },
  "tokio.lines": (config) => withText(Lines.make({ onTooLong: "skip", limit: number(config, "maxLength", unlimited) })),
  "tokio.anyDelimiter": (config) => {
    const written = config["sequenceWriter"]
    if (typeof written === "string") return Delimited.make({ delimiter: hex(written) })
    return Delimited.make({
      delimiter: Array.from(hex(text(config, "delimiters")), (byte) => Uint8Array.of(byte)),
      allowTruncated: true,
      limit: number(config, "maxLength", unlimited),
      onTooLong: "skip"
    })
  },

  "twisted.line": (config) =>
    Delimited.make({ delimiter: hex(text(config, "delimiter")), limit: number(config, "maxLength") }),
  "twisted.lineOnly": (config) =>
    Delimited.make({ delimiter: hex(text(config, "delimiter")), limit: number(config, "maxLength") }),
  "twisted.netstring": (config) => Netstring.make({ limit: number(config, "maxLength", 99_999) }),
  "twisted.intN": (config) => sized(number(config, "width"), number(config, "maxLength", 99_999)),
  "twisted.lineRawSwitch": (config) =>
    linesAndRaw(Delimited.make({ delimiter: hex(text(config, "delimiter")), limit: number(config, "maxLength") })),
  "twisted.intNDropAfterFrame": (config) =>
    dropping(sized(number(config, "width"), number(config, "maxLength")), number(config, "dropAfterFrame"), "others"),

  "erlang.packet": (config) => erlang(config, config["packet"]),
  "erlang.switch": (config) => {
    const [first, then] = [erlang(config, config["frm"]), erlang(config, config["to"])]
    return "missing" in first ? first : "missing" in then ? then : switching(first, number(config, "afterFrames"), then)
  },

  // Their buffer has to hold the newline, too.
  "go.scanLines": (config) => Lines.make({ limit: number(config, "maxTokenSize") - 1 }),
  "go.readLine": (config) => Lines.make({ limit: number(config, "bufferSize"), onTooLong: "truncate" }),

  "pekko.delimiter": (config) =>
    Delimited.make({
      delimiter: hex(text(config, "delimiter")),
      limit: number(config, "maximumFrameLength"),
      allowTruncated: config["allowTruncation"] === true
    }),
  "pekko.lengthField": (config) => {
    const [offset, size] = [number(config, "fieldOffset", 0), width(number(config, "fieldLength"))]
    const limit = number(config, "maximumFrameLength") - offset - size
    return lengthField({ offset, width: size, counts: 0, strip: 0, endian: endian(config) }, limit)
  },

  "effect.ndjson": (config) =>
    json({
      limit: number(config, "maxLineBytes", unlimited),
      blankLines: config["ignoreEmptyLines"] === true ? "ignore" : "refuse"
    }),
  "effect.splitLines": () => withText(Lines.make()),

  "npm.split2": (config) =>
    withText(
      Lines.make({
        limit: number(config, "maxLength", unlimited),
        onTooLong: config["skipOverflow"] === true ? "skip" : "fail"
      })
    ),
  "npm.byline": () => withText(Lines.make()),
  "npm.lengthPrefixedStream": (config) => Varint.make({ limit: number(config, "limit", unlimited) }),
  "npm.frameStream": (config) => sized(4, number(config, "maxSize", unlimited)),
  "libp2p.lpStream": (config) => Varint.make({ limit: number(config, "maxDataLength", unlimited) })
}

const delimiters = (value: unknown): ReadonlyArray<Uint8Array> =>
  Array.isArray(value)
    ? value.map((one) => typeof one === "string" ? hex(one) : broken("delimiters", one))
    : broken("delimiters", value)

/** The codec of ours that does what this one does. Throws `InvalidOption` for a config that we refuse. */
export const codecOf = (config: Config): Vendor => {
  const make = Object.hasOwn(vendors, config.kind) ? vendors[config.kind] : undefined
  return make === undefined ? missing(`nothing is known of ${config.kind}`) : make(config)
}
