/** The checks that options of codecs share. */
import { InvalidOption } from "../FramingError.ts"

/** The value, which has to be one of those. */
export const oneOf = <A extends string | number>(option: string, value: A, allowed: readonly [A, ...Array<A>]): A => {
  if (allowed.includes(value)) return value
  const others = allowed.slice(0, -1).join(", ")
  throw new InvalidOption({ option, value, allowed: `${others}${others && " or "}${allowed.at(-1)}` })
}

/** The value, which has to be a whole number of bytes within the bounds. */
export const byteCount = (option: string, value: number, least: number, most = Number.MAX_SAFE_INTEGER): number => {
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new InvalidOption({ option, value, allowed: `a whole number of bytes from ${least} to ${most}` })
}
