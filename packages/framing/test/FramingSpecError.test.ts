import { assert, describe, it } from "@effect/vitest"
import { FramingSpec } from "@framewire/framing"
import * as Result from "effect/Result"

/** What is refused, and where: the last line points at it. */
const refused = (input: string): string => {
  const result = FramingSpec.parse(input)
  if (Result.isSuccess(result)) return "nothing"
  const { failure } = result
  assert.instanceOf(failure, FramingSpec.FramingSpecError)
  assert.strictEqual(failure.input, input)
  const lines = [`expected ${failure.expected}`, `  ${input}`, `  ${" ".repeat(failure.position)}^`]
  assert.strictEqual(failure.message, lines.join("\n"))
  return `${failure.position}: ${failure.expected}`
}

describe("FramingSpec.parse says what can stand where", () => {
  const names = `one of ${FramingSpec.names.join(", ")}`
  const inner = `one of ${FramingSpec.names.filter((name) => name !== "checked").join(", ")}`
  const ofLines = "one of crlf, strict, onTooLong=fail|skip|truncate, limit=BYTES"
  const ofDelimited = "one of HEX+HEX+..., text=TEXT, keep, allowTruncated, onTooLong=fail|skip|truncate, limit=BYTES"
  const delimiters = "byte strings none of which is in another before its end"
  const width = "width=1|2|3|4|5|6|7|8"
  for (
    const [input, expected] of [
      ["", `0: ${names}`],
      [":", `0: ${names}`],
      ["line", `0: ${names}`],
      ["LINES", `0: ${names}`],
      [" lines", `0: ${names}`],
      ["lines,crlf", `0: ${names}`],
      ["resp", `0: ${names}`],
      ["toString", `0: ${names}`],
      ["__proto__", `0: ${names}`],
      ["lines:", `6: ${ofLines}`],
      ["lines:cr", `6: ${ofLines}`],
      ["lines:crlf,", `11: ${ofLines}`],
      ["lines:crlf,,strict", `11: ${ofLines}`],
      ["lines:crlf, strict", `11: ${ofLines}`],
      ["lines:constructor", `6: ${ofLines}`],
      ["lines:__proto__", `6: ${ofLines}`],
      ["lines:crlf=1", "6: crlf"],
      ["lines:crlf=", "6: crlf"],
      ["lines:strict=false", "6: strict"],
      ["lines:onTooLong", "6: onTooLong=fail|skip|truncate"],
      ["lines:onTooLong=drop", "6: onTooLong=fail|skip|truncate"],
      ["lines:onTooLong=truncate,limit=0", "25: for limit 1 byte or more to truncate to, or skip"],
      ["lines:crlf,crlf", "11: crlf only once"],
      ["lines:limit=1,limit=1", "14: limit only once"],
      ["lines:limit", "6: limit=BYTES"],
      ["lines:limit=", "6: limit=BYTES"],
      ["lines:limit=-1", "6: limit=BYTES"],
      ["lines:limit=1.5", "6: limit=BYTES"],
      ["lines:limit=1e3", "6: limit=BYTES"],
      ["lines:limit=\"1\"", "6: limit=BYTES"],
      ["lines:limit=12345678901234567", "6: limit=BYTES"],
      ["lines:strict,limit=9007199254740992", "13: for limit a whole number of bytes from 0 to 9007199254740991"],
      ["u8:width=1", "3: one of limit=BYTES"],
      ["u8:limit=256", "3: for limit a whole number of bytes from 0 to 255"],
      ["u32be:limit=4294967296", "6: for limit a whole number of bytes from 0 to 4294967295"],
      ["octets:limit=0", "7: for limit 1 byte or more, as a message has"],
      ["length", `6: ${width}`],
      ["length:endian=le", `16: ${width}`],
      ["length:width", `7: ${width}`],
      ["length:width=9", `7: ${width}`],
      ["length:width=2,endian=me", "15: endian=be|le"],
      ["length:width=2,limit=65536", "15: for limit a whole number of bytes from 0 to 65535"],
      ["length:width=2,counts=header", "15: counts=payload|frame|NUMBER"],
      ["length:width=1,counts=-256", "15: for counts payload, frame, or a number of bytes that leaves some"],
      ["length:offset=65537,width=1", "7: for offset a whole number of bytes from 0 to 65536"],
      ["length:width=1,strip=2", "15: for strip a whole number of bytes from 0 to 1"],
      ["length:width=2:endian=le", `7: ${width}`],
      ["fixed", "5: BYTES"],
      ["fixed:", "6: one of BYTES, allowTruncated"],
      ["fixed:x", "6: one of BYTES, allowTruncated"],
      ["fixed:0", "6: for size a whole number of bytes from 1 to 9007199254740991"],
      ["fixed:1,2", "8: size only once"],
      ["fixed:1,size=2", "8: size only once"],
      ["delimited", "9: HEX+HEX+..., text=TEXT"],
      ["delimited:keep", "14: HEX+HEX+..., text=TEXT"],
      ["delimited:0", `10: ${ofDelimited}`],
      ["delimited:0d0a+", `10: ${ofDelimited}`],
      ["delimited:\\n", `10: ${ofDelimited}`],
      ["delimited:0a+0d0a0d", `10: for delimiter ${delimiters}`],
      ["delimited:0a,text=b", "13: for text what no hex stands beside"],
      ["delimited:text=", "10: text=TEXT"],
      ["delimited:text=\"\"", "10: text=TEXT"],
      ["delimited:text=\"a", "10: text=TEXT"],
      ["delimited:text=\"\\x\"", "10: text=TEXT"],
      ["delimited:text=\"\\ud800\"", "10: text=TEXT"],
      ["delimited:text=\"a\"b,keep", "18: a comma, or the end"],
      [`delimited:keep,text=${"a".repeat(1025)}`, "10: for delimiter 1024 bytes in all"],
      ["erlang", "6: 1|2|4"],
      ["erlang:3", "7: one of 1|2|4, limit=BYTES"],
      ["fix:limit=1", "11: FIX.4.2|FIX.4.4|FIXT.1.1|..."],
      ["fix:FIX.5", "4: one of FIX.4.2|FIX.4.4|FIXT.1.1|..., limit=BYTES"],
      ["checked:crc32", "13: of=SPEC"],
      ["checked:of=u8", "13: crc32|crc32c|crc16ccitt|adler32"],
      ["checked:crc32,of", "14: of=SPEC"],
      ["checked:crc32,of=", `17: ${inner}`],
      ["checked:crc32,of=line", `17: ${inner}`],
      ["checked:crc32,of=checked:crc32,of=u8", `17: ${inner}`],
      ["checked:crc32,of=lines:crlf,cr", `28: ${ofLines}`],
      ["checked:crc32,of=u8:limit=3", "14: for of a limit of 4 bytes or more"]
    ] as const
  ) {
    it(`"${input.slice(0, 60)}"`, () => assert.strictEqual(refused(input), expected))
  }
})
