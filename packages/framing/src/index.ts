/**
 * Bytes to frames to messages and back: readers, writers, codecs, and every framing.
 *
 * @since 0.1.0
 */

/**
 * Values of ASN.1 in BER or DER.
 *
 * @since 0.1.0
 */
export * as Ber from "./Ber.ts"

/**
 * The bytes of one direction that have arrived and have not been taken yet.
 *
 * @since 0.1.0
 */
export * as ByteReader from "./ByteReader.ts"

/**
 * The bytes of one batch on their way out.
 *
 * @since 0.1.0
 */
export * as ByteWriter from "./ByteWriter.ts"

/**
 * A checksum in the frames of any framing.
 *
 * @since 0.1.0
 */
export * as Checked from "./Checked.ts"

/**
 * Frames that end in a zero byte, with the zeros of the payload stuffed away.
 *
 * @since 0.1.0
 */
export * as Cobs from "./Cobs.ts"

/**
 * A decoder and an encoder as one value, and what gives frames a meaning.
 *
 * @since 0.1.0
 */
export * as Codec from "./Codec.ts"

/**
 * Any codec as a channel, over Effect's sockets and streams.
 *
 * @since 0.1.0
 */
export * as CodecChannel from "./CodecChannel.ts"

/**
 * JSON objects and arrays one after the other, found by their brackets.
 *
 * @since 0.1.0
 */
export * as ConcatenatedJson from "./ConcatenatedJson.ts"

/**
 * Frames behind headers with a Content-Length, as of LSP and DAP.
 *
 * @since 0.1.0
 */
export * as ContentLength from "./ContentLength.ts"

/**
 * From bytes to frames or messages, one at a time and without I/O.
 *
 * @since 0.1.0
 */
export * as Decoder from "./Decoder.ts"

/**
 * Frames that end in a delimiter.
 *
 * @since 0.1.0
 */
export * as Delimited from "./Delimited.ts"

/**
 * Frames of one size.
 *
 * @since 0.1.0
 */
export * as FixedLength from "./FixedLength.ts"

/**
 * A connection that speaks a codec.
 *
 * @since 0.1.0
 */
export * as Framed from "./Framed.ts"

/**
 * The failures of framing.
 *
 * @since 0.1.0
 */
export * as FramingError from "./FramingError.ts"

/**
 * A framing as one line of text.
 *
 * @since 0.1.0
 */
export * as FramingSpec from "./FramingSpec.ts"

/**
 * What both ends say first, and the protocol that follows from it.
 *
 * @since 0.1.0
 */
export * as Greeting from "./Greeting.ts"

/**
 * Bytes in hex and as text, with what a codec takes each of them for.
 *
 * @since 0.1.0
 */
export * as HexDump from "./HexDump.ts"

/**
 * JSON texts between record separators.
 *
 * @since 0.1.0
 */
export * as JsonSequence from "./JsonSequence.ts"

/**
 * Frames behind a fixed-width length.
 *
 * @since 0.1.0
 */
export * as LengthPrefixed from "./LengthPrefixed.ts"

/**
 * Frames that end in a line feed.
 *
 * @since 0.1.0
 */
export * as Lines from "./Lines.ts"

/**
 * Packets of MySQL and MariaDB, joined where a payload takes several.
 *
 * @since 0.1.0
 */
export * as MySqlPacket from "./MySqlPacket.ts"

/**
 * JSON values, one a line.
 *
 * @since 0.1.0
 */
export * as Ndjson from "./Ndjson.ts"

/**
 * Frames between a decimal length and a comma.
 *
 * @since 0.1.0
 */
export * as Netstring from "./Netstring.ts"

/**
 * Syslog frames behind a decimal length.
 *
 * @since 0.1.0
 */
export * as OctetCounted from "./OctetCounted.ts"

/**
 * The framing of known protocols, by name.
 *
 * @since 0.1.0
 */
export * as Preset from "./Preset.ts"

/**
 * How a stream of frames gets on.
 *
 * @since 0.1.0
 */
export * as Progress from "./Progress.ts"

/**
 * Requests and answers over one connection, as one value for both ends.
 *
 * @since 0.1.0
 */
export * as Protocol from "./Protocol.ts"

/**
 * The header in which a proxy says whose connection it forwards.
 *
 * @since 0.1.0
 */
export * as ProxyHeader from "./ProxyHeader.ts"

/**
 * The values of Redis' protocol, version 2 and 3.
 *
 * @since 0.1.0
 */
export * as Resp from "./Resp.ts"

/**
 * Frames between END bytes, with END and ESC escaped in the payload.
 *
 * @since 0.1.0
 */
export * as Slip from "./Slip.ts"

/**
 * Records in fragments, which are joined, as ONC RPC has them on TCP.
 *
 * @since 0.1.0
 */
export * as SunRpcRecord from "./SunRpcRecord.ts"

/**
 * ISO transport packets on TCP.
 *
 * @since 0.1.0
 */
export * as Tpkt from "./Tpkt.ts"

/**
 * Frames behind a length of variable width.
 *
 * @since 0.1.0
 */
export * as Varint from "./Varint.ts"

/**
 * Any codec as a pair of the web's transform streams, in browsers and in Node.
 *
 * @since 0.1.0
 */
export * as WebStream from "./WebStream.ts"
