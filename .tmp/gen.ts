import * as Effect from "effect/Effect"
const N = 128
const frames = Array.from({ length: N }, (_, i) => new Uint8Array(16))
const handlers = {
  succeed: Effect.succeed,
  sync: (f: Uint8Array) => Effect.sync(() => f),
  generator: Effect.fnUntraced(function*(frame: Uint8Array) {
    return yield* Effect.sync(() => frame)
  }),
  fnOnly: Effect.fnUntraced(function*(frame: Uint8Array) {
    return frame
  }),
  suspend: (frame: Uint8Array) =>
    Effect.callback<Uint8Array>((resume) => queueMicrotask(() => resume(Effect.succeed(frame))))
} as const
let sum = 0
const loop = (h: any) =>
  Effect.suspend(() => {
    let i = 0
    return Effect.whileLoop({
      while: () => i < N,
      body: () => h(frames[i++]),
      step: (v: any) => {
        sum += v.length
      }
    })
  })
const each = (h: any, rounds: number) =>
  Effect.gen(function*() {
    for (let r = 0; r < rounds; r++) yield* loop(h)
  })
for (let k = 0; k < 3; k++) {
  for (const [n, h] of Object.entries(handlers)) {
    const R = 4000
    await Effect.runPromise(each(h, 400))
    const t = process.hrtime.bigint()
    await Effect.runPromise(each(h, R))
    console.log(n, Number(process.hrtime.bigint() - t) / R / N)
  }
}
