/**
 * The framing of known protocols, by name.
 *
 * ```text
 * Preset.dns()
 * IN   00 05 h e l l o        OUT  hello
 *
 * Preset.grpc()
 * IN   00 00 00 00 02 h i     OUT  00 00 00 00 02 h i
 * ```
 *
 * Where a header says more than the size, it stays in the frame.
 *
 * **Limits**: `limit` counts the bytes after the length field, inclusive, both ways; 1 MiB by default, where nothing
 * else is said. What stays of a header in the frame is not counted.
 *
 * **Errors**: those of the framing that each is made of. A frame that keeps its header is refused to be sent when that
 * is not its own.
 *
 * @since 0.1.0
 */
import * as Ber from "./Ber.ts"
import type { Codec, Framing } from "./Codec.ts"
import * as ContentLength from "./ContentLength.ts"
import * as Delimited from "./Delimited.ts"
import { amqp as amqpFrames } from "./internal/amqp.ts"
import { fix as fixMessages } from "./internal/fix.ts"
import { mllp as mllpBlocks } from "./internal/mllp.ts"
import { mqtt as mqttPackets } from "./internal/mqtt.ts"
import * as LengthPrefixed from "./LengthPrefixed.ts"
import * as Lines from "./Lines.ts"
import * as MySqlPacket from "./MySqlPacket.ts"
import * as OctetCounted from "./OctetCounted.ts"

interface Limit {
  readonly limit?: number
}

const u32be = (header: Uint8Array): number => new DataView(header.buffer, header.byteOffset).getUint32(0)

/**
 * AMQP 0-9-1. A frame is as on the wire: type, channel, size, payload and the end byte 0xce, which is checked. The
 * eight bytes `AMQP 0 0 9 1` with which a client begins come before: `FixedLength`.
 *
 * **Source**: AMQP 0-9-1, section 4.2.3.
 *
 * @category constructors
 * @since 0.1.0
 */
export const amqp = (options: Limit = {}): Framing => amqpFrames(options.limit)

/**
 * BitTorrent's peer wire, after the handshake of 68 bytes. A frame is a message without its length: the type and what
 * belongs to it; an empty one is a keep-alive.
 *
 * **Source**: BEP 3, peer protocol.
 *
 * @category constructors
 * @since 0.1.0
 */
export const bitTorrent = (options: Limit = {}): Framing => LengthPrefixed.u32be(options)

/**
 * DNS over TCP and over TLS. A frame is a message.
 *
 * **Limits**: 65,535 bytes by default, which is all the length can say.
 *
 * **Source**: RFC 1035 section 4.2.2, RFC 7766 section 8, RFC 7858 section 3.3.
 *
 * @category constructors
 * @since 0.1.0
 */
export const dns = (options: Limit = {}): Framing => LengthPrefixed.u16be(options)

/**
 * Erlang's `{packet, 1 | 2 | 4}`: ports, and sockets of `gen_tcp`. A frame is what Erlang sends and receives.
 *
 * **Source**: Erlang/OTP, `inet:setopts/2` and `erlang:open_port/2`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const erlang = (width: 1 | 2 | 4, options: Limit = {}): Framing => LengthPrefixed.make({ ...options, width })

/**
 * FIX of the version that the session speaks. A frame is the fields from `35=` on with their SOH, without `8=` and `9=`
 * before them, which are verified and written, and without `10=` behind them: another sum is a `MessageError`
 * (`ChecksumMismatch`).
 *
 * **Errors**: throws `InvalidOption` for a `begin` that is not `FIX.n.n` or `FIXT.n.n`.
 *
 * **Source**: FIX session layer, FIXS, tagvalue encoding, sections 4.3 and 4.4.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fix = (options: Limit & { readonly begin: string }): Framing => fixMessages(options.begin, options.limit)

/**
 * GELF over TCP: a NUL ends each message. A frame is a message, JSON without compression.
 *
 * **Source**: GELF payload specification 1.1, GELF via TCP.
 *
 * @category constructors
 * @since 0.1.0
 */
export const gelf = (options: Limit = {}): Framing => Delimited.make({ ...options, delimiter: "\0" })

/**
 * gRPC messages in the data of a stream. A frame keeps its five bytes: whether it is compressed, and the length.
 *
 * **Limits**: 4 MiB by default, as gRPC's.
 *
 * **Source**: gRPC over HTTP2, Length-Prefixed-Message.
 *
 * @category constructors
 * @since 0.1.0
 */
export const grpc = (options: Limit = {}): Framing =>
  LengthPrefixed.make({ limit: 4_194_304, ...options, width: 4, offset: 1, strip: false })

/**
 * ISO 8583 behind two length bytes, big-endian, which is how most hosts take it. A frame is what follows them.
 *
 * **Limits**: 65,535 bytes by default, which is all the length can say.
 *
 * **Source**: ISO 8583 leaves it to the parties; jPOS calls it `NACChannel` without a header.
 *
 * @category constructors
 * @since 0.1.0
 */
export const iso8583 = (options: Limit = {}): Framing => LengthPrefixed.u16be(options)

/**
 * Kafka. A frame is a request or a response, from its header on.
 *
 * **Source**: Kafka protocol guide, Common Request and Response Structure.
 *
 * @category constructors
 * @since 0.1.0
 */
export const kafka = (options: Limit = {}): Framing => LengthPrefixed.u32be(options)

/**
 * LDAP. A frame is an `LDAPMessage` in BER, with its tag and length.
 *
 * **Source**: RFC 4511 sections 4.1.1 and 5.1.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ldap = (options: Limit = {}): Framing => Ber.make(options)

/**
 * The Language Server Protocol, and the Debug Adapter Protocol. A frame is a message, JSON in UTF-8, without its
 * header.
 *
 * **Source**: Language Server Protocol 3.17, Base Protocol; Debug Adapter Protocol, Base protocol.
 *
 * @category constructors
 * @since 0.1.0
 */
export const lsp = (options: Limit = {}): Framing => ContentLength.make(options)

/**
 * MLLP, the minimal lower layer of HL7: between 0x0b and 0x1c 0x0d. A frame is what stands between.
 *
 * **Errors**: bytes before the 0x0b are a `FrameError` (`Malformed`).
 *
 * **Source**: HL7 Transport Specification MLLP, release 1; HL7 v2.3.1 Implementation Guide, appendix C.
 *
 * @category constructors
 * @since 0.1.0
 */
export const mllp = (options: Limit = {}): Framing => mllpBlocks(options.limit)

/**
 * Modbus TCP. A frame is as on the wire: transaction, protocol, length, unit and the function with its data.
 *
 * **Limits**: 254 bytes by default after the length, which is what the specification has.
 *
 * **Source**: MODBUS Messaging on TCP/IP Implementation Guide 1.0b, section 3.1.3.
 *
 * @category constructors
 * @since 0.1.0
 */
export const modbus = (options: Limit = {}): Framing =>
  LengthPrefixed.make({ limit: 254, ...options, width: 2, offset: 4, strip: false })

/**
 * MQTT 3.1.1 and 5. A frame is a control packet as on the wire, with its fixed header.
 *
 * **Errors**: a remaining length of more than four bytes, or of more than it needs, is a `FrameError`
 * (`InvalidLength`).
 *
 * **Source**: MQTT 5.0 sections 1.5.5 and 2.1, MQTT 3.1.1 section 2.2.
 *
 * @category constructors
 * @since 0.1.0
 */
export const mqtt = (options: Limit = {}): Framing => mqttPackets(options.limit)

/**
 * MySQL, see `MySqlPacket`. A message is a payload, joined from its packets, and the number of the first.
 *
 * **Source**: MySQL Internals, Client/Server Protocol, MySQL Packets.
 *
 * @category constructors
 * @since 0.1.0
 */
export const mysql = (options: Limit = {}): Codec<MySqlPacket.MySqlPacket> => MySqlPacket.make(options)

/**
 * Native messaging of browsers, on standard input and output: the length is in the machine's byte order, which is
 * little-endian wherever this runs. A frame is a message, JSON in UTF-8.
 *
 * **Limits**: 1 MiB by default, which is what a browser takes from a host.
 *
 * **Source**: Chrome for Developers, Native messaging protocol; MDN, Native messaging.
 *
 * @category constructors
 * @since 0.1.0
 */
export const nativeMessaging = (options: Limit = {}): Framing => LengthPrefixed.u32le(options)

/**
 * PostgreSQL after the startup message, both ways. A frame is as on the wire: type, length and what belongs to the
 * message.
 *
 * **Source**: PostgreSQL, Frontend/Backend Protocol, Message Formats.
 *
 * @category constructors
 * @since 0.1.0
 */
export const postgres = (options: Limit = {}): Framing =>
  LengthPrefixed.make({ ...options, width: 4, offset: 1, counts: -4, strip: false })

/**
 * What a client of PostgreSQL sends first, and for TLS or to cancel: it has no type. A frame is what follows the
 * length, from the version or request code on.
 *
 * **Limits**: 10,000 bytes by default, about what the server takes.
 *
 * **Source**: PostgreSQL, Frontend/Backend Protocol, Message Formats, StartupMessage.
 *
 * @category constructors
 * @since 0.1.0
 */
export const postgresStartup = (options: Limit = {}): Framing =>
  LengthPrefixed.make({ limit: 10_000, ...options, width: 4, counts: "frame" })

/**
 * SMPP. A frame is a PDU as on the wire, with its header of 16 bytes.
 *
 * **Errors**: a command length below 16 is a `FrameError` (`InvalidLength`).
 *
 * **Limits**: what follows the header counts.
 *
 * **Source**: SMPP 3.4, section 3.2; SMPP 5.0, section 3.1.
 *
 * @category constructors
 * @since 0.1.0
 */
export const smpp = (options: Limit = {}): Framing =>
  LengthPrefixed.fromHeader({ ...options, header: 16, sizeOf: (header) => u32be(header) - 16, strip: false })

/**
 * The agent of SSH. A frame is a message, from its type on.
 *
 * **Limits**: 256 KiB by default, as OpenSSH's.
 *
 * **Source**: draft-ietf-sshm-ssh-agent, section 3.
 *
 * @category constructors
 * @since 0.1.0
 */
export const sshAgent = (options: Limit = {}): Framing => LengthPrefixed.u32be({ limit: 262_144, ...options })

/**
 * Syslog behind a decimal length. A frame is a message.
 *
 * **Source**: RFC 6587 section 3.4.1, RFC 5425 section 4.3.
 *
 * @category constructors
 * @since 0.1.0
 */
export const syslog = (options: Limit = {}): Framing => OctetCounted.make(options)

/**
 * Syslog in lines, which RFC 6587 calls non-transparent: LF is written, LF and CRLF are read. A frame is a message.
 *
 * **Source**: RFC 6587 section 3.4.2.
 *
 * @category constructors
 * @since 0.1.0
 */
export const syslogLines = (options: Limit = {}): Framing => Lines.make(options)

/**
 * Thrift's framed transport. A frame is a message of whichever Thrift protocol is spoken.
 *
 * **Source**: Apache Thrift, Thrift Remote Procedure Call, Framed vs. unframed transport.
 *
 * @category constructors
 * @since 0.1.0
 */
export const thrift = (options: Limit = {}): Framing => LengthPrefixed.u32be(options)
