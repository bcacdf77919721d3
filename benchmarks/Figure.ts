// What is measured, and how it is shown.

interface Kind {
  readonly title: string
  readonly better: "more" | "less"
  readonly digits: number
}

export const kinds = {
  perSecond: { title: "per second", better: "more", digits: 0 },
  megabytesPerSecond: { title: "MB/s", better: "more", digits: 0 },
  nanos: { title: "ns each", better: "less", digits: 1 },
  perConnection: { title: "KB/connection", better: "less", digits: 2 },
  resident: { title: "MB in all", better: "less", digits: 0 },
  cpu: { title: "CPU s/million", better: "less", digits: 3 },
  loadCpu: { title: "asking CPU s/million", better: "less", digits: 3 },
  cpuPerByte: { title: "CPU s/GB", better: "less", digits: 3 },
  peak: { title: "peak MB", better: "less", digits: 0 },
  p50: { title: "p50 us", better: "less", digits: 1 },
  p99: { title: "p99 us", better: "less", digits: 1 },
  p999: { title: "p99.9 us", better: "less", digits: 1 },
  load: { title: "asking busy", better: "less", digits: 2 },
  heldUp: { title: "held up", better: "less", digits: 2 }
} as const satisfies Record<string, Kind>

export type Figure = keyof typeof kinds

/** Of one measurement: those that make sense for it. */
export type Figures = Readonly<Partial<Record<Figure, number>>>
