// One thing after the other, without a fiber for as long as each is done when it returns.
import * as Effect from "effect/Effect"
import { isDone } from "./isDone.ts"

/** What is done with each of many. */
export interface Course<in A, B, out E, out R> {
  run(one: A): Effect.Effect<B, E, R>
  /** With what it gave; nothing where nothing has to be waited for. */
  use(given: B): Effect.Effect<void, E, R> | undefined
  /** Before it waits for one. */
  pause?(): void
  /** When all are done. */
  last(): Effect.Effect<void, E, R>
}

/** All of them. What it returns is to be run once. */
export const inTurn = <A, B, E, R>(all: ReadonlyArray<A>, course: Course<A, B, E, R>): Effect.Effect<void, E, R> => {
  const turn = new Turn(all, course)
  return turn.waits() ? turn.rest() : turn.last()
}

/** No closures: most turns wait for nothing, and one object is all that they take. */
class Turn<A, B, E, R> {
  readonly #all: ReadonlyArray<A>
  readonly #course: Course<A, B, E, R>
  #index = 0
  #running: Effect.Effect<B, E, R> | undefined
  /** What the last one gave is still being used. */
  #using: Effect.Effect<void, E, R> | undefined

  constructor(all: ReadonlyArray<A>, course: Course<A, B, E, R>) {
    this.#all = all
    this.#course = course
  }

  /** Whether one has to be waited for. */
  waits(): boolean {
    while (this.#index < this.#all.length) {
      if (this.#using !== undefined) {
        this.#running = Effect.flatMap(this.#using, () => this.#next())
        return true
      }
      const given = this.#next()
      if (!isDone(given)) {
        this.#running = given
        this.#course.pause?.()
        return true
      }
      this.#use(given.value)
    }
    return false
  }

  /** From one that has to be waited for to the end: one loop instead of an effect after each takes half of the time, and no stack. */
  rest(): Effect.Effect<void, E, R> {
    const rest = Effect.whileLoop({
      while: () => this.#running !== undefined || this.waits(),
      body: () => {
        const running = this.#running!
        this.#running = undefined
        return running
      },
      step: (given) => this.#use(given)
    })
    return Effect.flatMap(rest, () => this.last())
  }

  last(): Effect.Effect<void, E, R> {
    return this.#using === undefined ? this.#course.last() : Effect.flatMap(this.#using, () => this.#course.last())
  }

  #next(): Effect.Effect<B, E, R> {
    return this.#course.run(this.#all[this.#index++]!)
  }

  #use(given: B): void {
    const used = this.#course.use(given)
    this.#using = used === undefined || isDone(used) ? undefined : used
  }
}
