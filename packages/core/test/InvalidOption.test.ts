import { assert, describe, it } from "@effect/vitest"
import { InvalidOption } from "@framewire/core"
import * as Duration from "effect/Duration"

const { check, duration, number, orUnbounded, whole } = InvalidOption

const table: ReadonlyArray<[rule: InvalidOption.Rule, allowed: string, good: Array<unknown>, bad: Array<unknown>]> = [
  [
    whole(1, 7),
    "a whole number from 1 to 7",
    [1, 7],
    [0, 8, 1.5, NaN, Infinity, -Infinity, "1", null, 1n]
  ],
  [whole(0), "a whole number from 0, or Infinity", [0, 2 ** 53 - 1, Infinity], [-1, 0.5, 2 ** 53, NaN, "unbounded"]],
  [number(0, 1), "a number from 0 to 1", [0, 0.5, 1], [-0.001, 1.001, NaN, "0", null]],
  [number(1), "a number from 1", [1, 1.5, Infinity], [0.999, NaN]],
  [
    duration,
    "a duration of 0 or more",
    [0, 1.5, "5 seconds", "Infinity", Infinity, Duration.zero, Duration.infinity, 3n, { seconds: 1 }, [1, 500]],
    [-1, NaN, "-1 seconds", "-Infinity", "5 secs", "", { seconds: NaN }, { seconds: -1 }, null, true, () => 1]
  ],
  [orUnbounded(whole(1)), "a whole number from 1, or Infinity, or \"unbounded\"", [1, "unbounded"], [0, "none", NaN]]
]

describe("InvalidOption", () => {
  it.each(table)("%j", (rule, allowed, good, bad) => {
    assert.strictEqual(rule.allowed, allowed)
    assert.deepStrictEqual(good.filter((value) => !rule.holds(value)), [])
    assert.deepStrictEqual(bad.filter((value) => rule.holds(value)), [])
  })

  it("names the first option that breaks its rule, and lets pass what is not given", () => {
    const rules = { size: whole(1), wait: duration }
    check({}, rules)
    check(undefined, rules)
    check({ size: undefined, wait: "1 second" }, rules)
    assert.throws(
      () => check({ wait: -1, size: 0 }, rules, "pool."),
      InvalidOption.InvalidOption,
      "pool.size is 0, allowed is a whole number from 1, or Infinity"
    )
  })
})
