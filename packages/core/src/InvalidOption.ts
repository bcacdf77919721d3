/**
 * Options that cannot work, refused where something is built of them.
 *
 * ```text
 * check({ linger: "-1 seconds" }, { linger: duration })
 *   throws   linger is -1 seconds, allowed is a duration of 0 or more
 * ```
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/**
 * An option has a value with which nothing can work. Thrown where it is given, or a defect of the effect that it is given
 * to, because the program has to change.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidOption extends Data.TaggedError("InvalidOption")<{
  readonly option: string
  readonly value: unknown
  readonly allowed: string
}> {
  override get message(): string {
    return `${this.option} is ${String(this.value)}, allowed is ${this.allowed}`
  }
}

/**
 * What an option may be, and that as a piece of a sentence.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rule {
  readonly allowed: string
  readonly holds: (value: unknown) => boolean
}

/**
 * A rule for each option that has one.
 *
 * @category models
 * @since 0.1.0
 */
export type Rules<A> = { readonly [K in keyof A]?: Rule }

/**
 * A whole number from `least` to `most`; with no `most`, `Infinity` is allowed, too.
 *
 * @category rules
 * @since 0.1.0
 */
export const whole = (least: number, most = Infinity): Rule => ({
  allowed: `a whole number from ${least}${most === Infinity ? ", or Infinity" : ` to ${most}`}`,
  holds: (value) => (Number.isSafeInteger(value) || value === most) && Number(value) >= least && Number(value) <= most
})

/**
 * A number from `least` to `most`, with a fraction or without.
 *
 * @category rules
 * @since 0.1.0
 */
export const number = (least: number, most = Infinity): Rule => ({
  allowed: `a number from ${least}${most === Infinity ? "" : ` to ${most}`}`,
  holds: (value) => typeof value === "number" && value >= least && value <= most
})

// Whatever else these are is decoded to none.
const isInput = (value: unknown): value is Duration.Input =>
  value !== null && /^(number|bigint|string|object)$/.test(typeof value)

// What Duration takes for 0 without a word.
const isNaN = (value: unknown): boolean =>
  Number.isNaN(value) || typeof value === "object" && value !== null && Object.values(value).some(Number.isNaN)

/**
 * A duration that is not negative; `"Infinity"` is one.
 *
 * @category rules
 * @since 0.1.0
 */
export const duration: Rule = {
  allowed: "a duration of 0 or more",
  holds: (value) =>
    isInput(value) && !isNaN(value) && Option.exists(Duration.fromInput(value), (it) => Duration.toMillis(it) >= 0)
}

/**
 * What the rule allows, and `"unbounded"`.
 *
 * @category rules
 * @since 0.1.0
 */
export const orUnbounded = ({ allowed, holds }: Rule): Rule => ({
  allowed: `${allowed}, or "unbounded"`,
  holds: (value) => value === "unbounded" || holds(value)
})

/**
 * Throws `InvalidOption` for the first option that is given and breaks its rule; `under` is put in front of its name.
 *
 * @category operations
 * @since 0.1.0
 */
export const check = <A extends object>(options: A | undefined, rules: Rules<A>, under = ""): void => {
  if (options === undefined) return
  for (const [option, rule] of Object.entries<Rule | undefined>(rules)) {
    const value: unknown = Reflect.get(options, option)
    if (value === undefined || rule === undefined || rule.holds(value)) continue
    throw new InvalidOption({ option: under + option, value, allowed: rule.allowed })
  }
}
