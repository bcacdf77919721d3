/**
 * The header in which a proxy says whose connection it forwards.
 *
 * ```text
 * version 1   PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 CR LF          a line of 107 bytes at most
 *
 * version 2   +-----------------------------------+-----+-----+-------+-------+---------------------+
 *             | 0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a | 2 C | F T | length        | addresses, elements |
 *             | signature                         | command | family | big-endian  | length bytes        |
 *             +-----------------------------------+-----+-----+-------+-------+---------------------+
 *
 * IN   PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 CR LF GET /
 * OUT  { family: "ipv4", source: 192.0.2.1 port 56324, destination: 198.51.100.1 port 443, ... }, and "GET /" is left
 * ```
 *
 * It stands once, before everything else: take one message, then switch to the codec of what follows. Whether it stands
 * there is configured and never guessed, or clients could say where they come from; `detect` is for diagnosis. What
 * `UNKNOWN`, `LOCAL` and an unspecified family have to say of addresses is not kept: the connection's own are the right ones.
 *
 * **Limits**: a line has 107 bytes at most with its end. `limit` counts what follows the 16 fixed bytes of version 2; 8 KiB
 * by default, for 65,535 that the length could say: addresses and elements take a few hundred bytes, a certificate two
 * or three thousand.
 *
 * **Errors**: all are `FrameError`, because what follows cannot be trusted: `Malformed`, `FrameTooLong`, `ChecksumMismatch`,
 * `Truncated`. A header that cannot be written is a `MessageError` (`Malformed`, `FrameTooLong`).
 *
 * **Source**: The PROXY protocol, versions 1 and 2, haproxy.org.
 *
 * @since 0.1.0
 */
import type { Address } from "@framewire/core"
import type { ByteReader } from "./ByteReader.ts"
import * as ByteWriter from "./ByteWriter.ts"
import { type Codec, limitOf } from "./Codec.ts"
import * as Decoder from "./Decoder.ts"
import { FrameTooLong, Malformed } from "./FramingError.ts"
import { broken } from "./internal/failure.ts"
import { blockOf, fixed, parseBlock, signature } from "./internal/proxyBlock.ts"
import { lineOf, linePrefix, maxLine, parseLine } from "./internal/proxyLine.ts"
import type { Name } from "./internal/proxyTlv.ts"

/**
 * The names of the elements whose value is plain bytes.
 *
 * @category models
 * @since 0.1.0
 */
export type TlvName = Exclude<Name, "crc32c" | "ssl">

/**
 * What version 2 says besides the addresses. `type` is a name where the specification has one, else the number.
 *
 * - `crc32c`, the checksum of the header, is verified when read and computed when written.
 * - `ssl` says how the client came to the proxy: with TLS, with a certificate in this connection or in this session, and
 *   the result of verifying that, 0 for success. Its own elements tell more.
 *
 * @category models
 * @since 0.1.0
 */
export type Tlv =
  | { readonly type: TlvName | number; readonly value: Uint8Array }
  | { readonly type: "crc32c" }
  | {
    readonly type: "ssl"
    readonly tls: boolean
    readonly certInConnection: boolean
    readonly certInSession: boolean
    readonly verify: number
    readonly tlvs: ReadonlyArray<Tlv>
  }

/**
 * The proxy speaks for itself, as in a health check: `LOCAL`, version 2.
 *
 * @category models
 * @since 0.1.0
 */
export interface Local {
  readonly version: 2
  readonly command: "local"
}

/**
 * A connection is forwarded, and the proxy cannot say whose: `UNKNOWN` in version 1.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unspecified {
  readonly version: 1 | 2
  readonly command: "proxy"
  readonly family: "unspecified"
}

/**
 * A connection between IP addresses is forwarded. The hosts are in the spelling of RFC 5952. Version 1 knows streams and
 * no elements.
 *
 * @category models
 * @since 0.1.0
 */
export interface Inet {
  readonly version: 1 | 2
  readonly command: "proxy"
  readonly family: "ipv4" | "ipv6"
  readonly transport: "stream" | "datagram"
  readonly source: Address.TcpAddress
  readonly destination: Address.TcpAddress
  readonly tlvs: ReadonlyArray<Tlv>
}

/**
 * A connection between Unix domain sockets is forwarded. A path that begins with NUL is an abstract name of Linux, an empty
 * one that of a socket without a name.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unix {
  readonly version: 2
  readonly command: "proxy"
  readonly family: "unix"
  readonly transport: "stream" | "datagram"
  readonly source: Address.UnixAddress
  readonly destination: Address.UnixAddress
  readonly tlvs: ReadonlyArray<Tlv>
}

/**
 * What a header says.
 *
 * @category models
 * @since 0.1.0
 */
export type ProxyHeader = Local | Unspecified | Inet | Unix

const matches = (head: Uint8Array, wanted: Uint8Array) =>
  wanted.subarray(0, head.length).every((byte, index) => head[index] === byte)

/**
 * Whether these first bytes of a stream begin a header: of which version, `no`, or `more` bytes are needed to tell.
 *
 * **Contract**: for logs and hints alone. A server that takes a header from whoever sends one lets clients lie.
 *
 * @category diagnosis
 * @since 0.1.0
 */
export const detect = (head: Uint8Array): "v1" | "v2" | "no" | "more" =>
  matches(head, linePrefix)
    ? head.length < linePrefix.length ? "more" : "v1"
    : matches(head, signature)
    ? head.length < signature.length ? "more" : "v2"
    : "no"

/**
 * The codec of one header; `version` says how it is written.
 *
 * **Errors**: throws `InvalidOption` for a limit that is not a whole number from 0 to 65,535.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: { readonly limit?: number } = {}): Codec<ProxyHeader> => {
  const limit = limitOf(options.limit ?? 8192, 65_535)

  const stepLine = (reader: ByteReader, head: Uint8Array) => {
    const end = head.indexOf(0x0a)
    if (end < 0 && head.length < maxLine) return reader.need()
    if (end < 0) throw broken(reader, new FrameTooLong({ size: maxLine + 1, limit: maxLine }))
    const fail = (detail: string) => broken(reader, new Malformed({ detail }), end + 1)
    if (head[end - 1] !== 0x0d) throw fail("the line ends in LF alone, CRLF is required")
    const header = parseLine(String.fromCharCode(...head.subarray(0, end - 1)), fail)
    reader.skip(end + 1)
    return header
  }

  const step = (reader: ByteReader) => {
    if (reader.length === 0) return reader.need()
    const head = reader.peek(maxLine)
    if (matches(head, linePrefix)) return stepLine(reader, head)
    if (!matches(head, signature)) throw broken(reader, new Malformed({ detail: "this is no PROXY header" }))
    if (reader.length < fixed) return reader.need(fixed)
    const size = reader.uint(14, 2, false)
    if (size > limit) throw broken(reader, new FrameTooLong({ size, limit }))
    if (reader.length < fixed + size) return reader.need(fixed + size)
    const header = parseBlock(reader.peek(fixed + size), (reason) => broken(reader, reason))
    reader.skip(fixed + size)
    return header
  }

  return {
    limit,
    decoder: Decoder.make(() => step),
    encode: (header, writer) =>
      writer.bytes(
        header.version === 1 ? ByteWriter.utf8(lineOf(header)) : blockOf(header, limit)
      )
  }
}
