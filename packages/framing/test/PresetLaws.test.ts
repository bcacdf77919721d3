import { describe, it } from "@effect/vitest"
import {
  Checked,
  Cobs,
  type Codec,
  LengthPrefixed,
  Lines,
  MySqlPacket,
  Preset,
  ProxyHeader,
  Resp,
  Slip,
  SunRpcRecord,
  Tpkt
} from "@framewire/framing"
import { CodecLaws } from "@framewire/framing/testing"
import { bytes, hex, noise, show } from "./support.ts"

const limit = 200
const { payloads } = CodecLaws
const suite = <In, Out>(options: CodecLaws.SuiteOptions<In, Out>) => CodecLaws.suite({ noise, ...options })
const framing = (codec: Codec.Framing, options: CodecLaws.Options<Uint8Array, Uint8Array> = {}) =>
  CodecLaws.framing(codec, { noise, ...options })

/** A codec whose frames are given whole: made from payloads by `frame`, which may be refused. */
const whole = (codec: Codec.Framing, frame: (payload: Uint8Array) => Uint8Array, header = 0) =>
  suite({
    codec,
    messages: payloads.map(frame),
    ofSize: (size) => frame(new Uint8Array(Math.max(0, size - header)).fill(0x61))
  })

const uint = (value: number, width: number) => hex(value.toString(16).padStart(2 * width, "0"))
const join = (...parts: ReadonlyArray<Uint8Array | string>) =>
  Uint8Array.from(parts.flatMap((part) => Array.from(typeof part === "string" ? hex(part) : part)))

const values: ReadonlyArray<Resp.Value> = [
  Resp.command("GET", ""),
  Resp.command("SET", "a\r\n", Uint8Array.of(0, 255)),
  { type: "array", value: [] }
]

const tcp = {
  command: "proxy",
  transport: "stream",
  source: { host: "10.0.0.1", port: 1 },
  destination: { host: "10.0.0.2", port: 65_535 }
} as const
const headers: ReadonlyArray<ProxyHeader.ProxyHeader> = [
  { version: 2, command: "local" },
  { version: 1, command: "proxy", family: "unspecified" },
  { version: 1, family: "ipv4", ...tcp, tlvs: [] },
  { version: 2, family: "ipv4", ...tcp, tlvs: [{ type: "authority", value: bytes("a.b") }, { type: "crc32c" }] }
]

const laws: Record<string, ReadonlyArray<CodecLaws.Law>> = {
  slip: framing(Slip.make({ limit }), { header: limit + 16, streams: [hex("c0c0"), hex("db00"), hex("61dbc0")] }),
  "slip, too long ones are skipped": framing(Slip.make({ limit: 40, onTooLong: "skip" }), { header: 41 }),
  "cobs, too long ones are skipped": framing(Cobs.make({ limit: 40, onTooLong: "skip" }), { header: 1 }),
  cobs: framing(Cobs.make({ limit: 300 }), { streams: [hex("0000"), hex("0500"), hex("ff61")] }),
  "crc-32 around a length": framing(
    Checked.make(LengthPrefixed.u16be({ limit }), { checksum: Checked.crc32 }),
    { streams: [hex("0003616263")] }
  ),
  "crc-16 around lines": framing(Checked.make(Lines.make({ limit }), { checksum: Checked.crc16Ccitt }), {
    tail: "frame"
  }),
  "crc-16 in cobs": framing(Checked.make(Cobs.make({ limit: 42 }), { checksum: Checked.crc16Ccitt }), { header: 3 }),
  tpkt: framing(Tpkt.make({ limit }), { header: 4, streams: [hex("03000003"), hex("04000005")] }),
  "sun rpc records": framing(SunRpcRecord.make({ limit }), {
    header: 64,
    streams: [hex("0000000161 8000000162"), hex("00000000")]
  }),
  "mysql packets": suite({
    codec: MySqlPacket.make({ limit }),
    messages: payloads.map((payload, index) => ({ sequence: index & 255, payload })),
    ofSize: (size) => ({ sequence: 0, payload: new Uint8Array(size) })
  }),
  "proxy headers": suite({
    codec: ProxyHeader.make(),
    messages: headers,
    header: 300,
    streams: [bytes("PROXY UNKNOWN\r\n"), bytes("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n")]
  }),
  resp: suite({ codec: Resp.make({ limit, items: 20 }), messages: values, header: limit + 64 }),
  "resp with inline commands": suite({
    codec: Resp.make({ limit, items: 20, inline: true }),
    messages: values.slice(0, 2),
    header: limit + 64,
    streams: [bytes("PING\r\nSET a \"b\"\n")]
  }),
  amqp: whole(Preset.amqp({ limit }), (payload) => join("010000", uint(payload.length, 4), payload, "ce")),
  bittorrent: framing(Preset.bitTorrent({ limit })),
  dns: framing(Preset.dns({ limit })),
  gelf: framing(Preset.gelf({ limit })),
  grpc: whole(Preset.grpc({ limit }), (payload) => join("00", uint(payload.length, 4), payload)),
  kafka: framing(Preset.kafka({ limit })),
  ldap: whole(Preset.ldap({ limit }), (payload) => join("3081", uint(payload.length, 1), payload)),
  lsp: framing(Preset.lsp({ limit }), { header: 4096 }),
  mllp: framing(Preset.mllp({ limit }), { streams: [hex("0b611c0d"), hex("0b611c62")] }),
  modbus: whole(Preset.modbus({ limit }), (payload) => join("00010000", uint(payload.length, 2), payload)),
  "native messaging": framing(Preset.nativeMessaging({ limit })),
  postgres: whole(Preset.postgres({ limit }), (payload) => join("51", uint(payload.length + 4, 4), payload)),
  smpp: whole(
    Preset.smpp({ limit }),
    (payload) => join(uint(payload.length + 16, 4), "000000150000000000000001", payload)
  ),
  "ssh agent": framing(Preset.sshAgent({ limit })),
  syslog: framing(Preset.syslog({ limit })),
  thrift: framing(Preset.thrift({ limit })),
  "erlang, 1": framing(Preset.erlang(1, { limit }), { header: 1 }),
  "erlang, 2": framing(Preset.erlang(2, { limit }), { header: 2 }),
  "erlang, 4": framing(Preset.erlang(4, { limit }), { header: 4 }),
  "postgres, startup": framing(Preset.postgresStartup({ limit }), {
    header: 4,
    streams: [hex("00000003"), hex("00000004")]
  }),
  fix: whole(Preset.fix({ begin: "FIX.4.2", limit }), (payload) => bytes(`35=0\x0158=${show(payload)}\x01`)),
  mqtt: whole(Preset.mqtt({ limit }), (payload) => join("30", uint(payload.length, 1), payload))
}

describe("laws of protocols", () => {
  for (const [which, all] of Object.entries(laws)) {
    for (const { name, run } of all) it(`${which}: ${name}`, run)
  }
})
