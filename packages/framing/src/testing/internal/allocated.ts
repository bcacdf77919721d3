// Counts the bytes of new memory that are asked for while something runs.

const count = (args: ReadonlyArray<unknown>) => typeof args[0] === "number" ? args[0] : 0

/** The bytes asked for of `Uint8Array`, `ArrayBuffer` and, where there is one, Node's `Buffer`, while `run` runs. */
export const allocated = (run: () => void): number => {
  let bytes = 0
  const counting: ProxyHandler<Function> = {
    construct: (target, args) => {
      bytes += count(args)
      const made: object = Reflect.construct(target, args)
      return made
    },
    apply: (target, self, args) => {
      bytes += count(args)
      return Reflect.apply(target, self, args) as unknown
    }
  }
  const undo: Array<() => void> = []
  const watch = (of: object, name: string) => {
    const descriptor = Object.getOwnPropertyDescriptor(of, name)
    const original: unknown = descriptor?.value
    if (descriptor === undefined || typeof original !== "function") return
    Object.defineProperty(of, name, { ...descriptor, value: new Proxy(original, counting) })
    undo.push(() => Object.defineProperty(of, name, descriptor))
  }
  const buffer: unknown = Reflect.get(globalThis, "Buffer")
  if (typeof buffer === "function") {
    for (const name of ["alloc", "allocUnsafe", "allocUnsafeSlow"]) watch(buffer, name)
  }
  watch(globalThis, "ArrayBuffer")
  watch(globalThis, "Uint8Array")
  try {
    run()
    return bytes
  } finally {
    for (const restore of undo) restore()
  }
}
