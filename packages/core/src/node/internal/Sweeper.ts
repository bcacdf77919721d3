// One coarse timer for the deadlines of all connections of the process.

const everyMillis = 250

export interface Waiting {
  /** Looks at its deadlines; false when it waits for nothing. */
  readonly sweep: (now: number) => boolean
}

const waiting = new Set<Waiting>()
let running = false

// To end a connection takes as long as to make one. Those that end together, as a crowd that never reads, end in portions, and
// others have their turns between.
const endedAtOnce = 8

// A copy, because a wait that is over and begins again comes last in the set: the sweep would meet it once more, and so on.
const sweep = (rest = [...waiting].values()) => {
  const now = performance.now()
  let ended = 0
  // The iterator goes on where it was left.
  for (const each of rest) {
    if (each.sweep(now)) continue
    waiting.delete(each)
    if (++ended === endedAtOnce) return void setImmediate(sweep, rest)
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
