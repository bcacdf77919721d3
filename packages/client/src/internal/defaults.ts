// What more than one file goes by where nobody said otherwise.

export const requestTimeout = "30 seconds"
export const maxPushes = 1024
export const frameTimeout = "30 seconds"
