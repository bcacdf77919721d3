// One count for the connections of every transport, because `id` is distinct in the process.
let last = 0

export const nextConnectionId = (): number => ++last
