// One coarse timer for the deadlines of all connections of the process.

const everyMillis = 250

export interface Waiting {
  /** Looks at its deadlines; false when it waits for nothing. */
  readonly sweep: (now: number) => boolean
}

const waiting = new Set<Waiting>()
let running = false

const sweep = () => {
  const now = performance.now()
  for (const each of waiting) {
    if (!each.sweep(now)) waiting.delete(each)
  }
  if (waiting.size > 0) schedule()
  else running = false
}

const schedule = () => {
  // It keeps no process alive: what it waits for has a socket that does.
  setTimeout(sweep, everyMillis).unref()
}

/** Sweeps it every 250 ms until it waits for nothing. Where nobody waits, no timer runs. */
export const watch = (it: Waiting): void => {
  waiting.add(it)
  if (running) return
  running = true
  schedule()
}
