// Runs what asks, beside the server that is asked, and looks at the server when the measured window begins and ends.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs"
import { join } from "node:path"
import { BenchError, cores, node, precede, type Server, start } from "./Child.ts"
import type { Figures } from "./Figure.ts"
import * as Usage from "./Usage.ts"

export interface Load {
  readonly connections?: number
  /** Requests in flight on each. */
  readonly depth?: number
  /** Bytes of a frame's payload. */
  readonly size?: number
  /** Instead of `size`: a file of requests and answers, see loadgen.c. */
  readonly exchange?: string
  /** Requests a second, however the server keeps up, instead of as many as it answers. */
  readonly rate?: number
  /** Leaves its core to others while nothing is due, and comes before them when something is, where that is allowed. */
  readonly sleeps?: boolean
  /** The window ends before its time when so many have come back. */
  readonly frames?: number
}

export interface Window {
  readonly seconds: number
  readonly warmup: number
}

export interface Generator {
  readonly command: ReadonlyArray<string>
  /** Why it is not the one in C. */
  readonly problem?: string
}

/** The one in C, compiled when its source has changed; where it cannot be, the one on Node, and why. */
export const build = (): Generator => {
  const onNode = (problem: string): Generator => ({ command: node("loadgen.ts"), problem })
  if (process.platform !== "linux") return onNode("the load generator in C needs Linux's epoll")
  const source = join(import.meta.dirname, "loadgen.c")
  const folder = join(import.meta.dirname, "..", "node_modules", ".cache", "framewire")
  const compiler = process.env["CC"] ?? "cc"
  const made = createHash("sha256").update(compiler).update(readFileSync(source)).digest("hex")
  const program = join(folder, `loadgen-${made.slice(0, 12)}`)
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true })
    const unfinished = `${program}.${process.pid}`
    const { error, status, stderr } = spawnSync(compiler, ["-std=gnu11", "-O2", "-o", unfinished, source], {
      encoding: "utf8"
    })
    if (error !== undefined) return onNode(`no C compiler: ${error.message}`)
    if (status !== 0) return onNode(`${compiler} failed: ${stderr.trim()}`)
    // In one step, so that no other run finds half of it.
    renameSync(unfinished, program)
  }
  return { command: [program] }
}

let built: Generator | undefined

/** Of this run. */
export const generator = (): Generator => built ??= build()

type Mode = "echo" | "idle" | "accept"

const commandOf = (mode: Mode, port: number, load: Load, window?: Window): ReadonlyArray<string> => {
  const options: Record<string, string | number | undefined> = {
    "-m": mode,
    "-p": port,
    "-c": load.connections,
    "-d": load.depth,
    "-s": load.size,
    "-x": load.exchange,
    "-r": load.rate,
    "-t": window?.seconds,
    "-n": load.frames,
    "-w": window?.warmup
  }
  const given = Object.entries(options).flatMap(([name, value]) => value === undefined ? [] : [name, String(value)])
  return [...generator().command, ...given, ...load.sleeps === true ? ["-i"] : []]
}

interface Said {
  readonly frames: number
  readonly seconds: number
  readonly bytes: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly load: number
}

/** Runs a program that prints MEASURE, STOP and one line of JSON as loadgen.c does, and asks this server. */
export const measure = (
  server: Server,
  command: ReadonlyArray<string>,
  precedes = false
): Effect.Effect<Figures, BenchError, Scope.Scope> =>
  Effect.gen(function*() {
    const asking = yield* start(command, cores.load)
    if (precedes) yield* precede(asking.pid)
    yield* asking.line(/^MEASURE$/)
    const known = Usage.isKnown
    if (known) Usage.resetPeak(server.pid)
    const before = known ? Usage.time(server.pid) : undefined
    yield* asking.line(/^STOP$/)
    const after = known ? Usage.time(server.pid) : undefined
    const peak = known ? Usage.peakResident(server.pid) : undefined
    const [text] = yield* asking.line(/^\{.*\}$/)
    const { bytes, frames, load, p50, p99, p999, seconds } = JSON.parse(text) as Said
    if (frames === 0) return yield* new BenchError({ message: "no answer in the whole window" })
    const millions = frames / 1e6
    return {
      perSecond: frames / seconds,
      ...bytes > 0 && { megabytesPerSecond: bytes / seconds / 1e6 },
      p50,
      p99,
      p999,
      load,
      loadCpu: load * seconds / millions,
      ...before !== undefined && after !== undefined && {
        cpu: (after.running - before.running) / millions,
        ...bytes > 0 && { cpuPerByte: (after.running - before.running) / bytes * 1e9 },
        heldUp: Math.max(0, after.heldUp - before.heldUp) / seconds
      },
      ...peak !== undefined && { peak: peak / 1e6 }
    }
  })

// V8 compiles by how often something ran. At 10,000 frames a second the first second costs 30 % more CPU a frame than the sixth
// (1,000 connections), and its p99 is ten times as long (one connection).
const openWarmup = 5

export const echo = (server: Server, load: Load, window: Window) => {
  const warmup = load.rate === undefined ? window.warmup : Math.max(window.warmup, openWarmup)
  return measure(server, commandOf("echo", server.port, load, { ...window, warmup }), load.sleeps)
}

export const accept = (server: Server, load: Load, window: Window) =>
  measure(server, commandOf("accept", server.port, load, window))

/** Opens the connections, has one echo on each, and holds them until the scope closes. */
export const hold = (server: Server, load: Load): Effect.Effect<void, BenchError, Scope.Scope> =>
  Effect.gen(function*() {
    const holding = yield* start(commandOf("idle", server.port, load), cores.load)
    yield* holding.line(/^READY$/)
  })
