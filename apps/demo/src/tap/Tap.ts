import { Address } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Server } from "@framewire/server"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as CommandError from "../CommandError.ts"
import * as Options from "../Options.ts"
import * as Page from "../page/Page.ts"
import * as Hub from "./Hub.ts"
import * as Print from "./Print.ts"
import * as Recording from "./Recording.ts"
import * as Relay from "./Relay.ts"
import type { TapEvent } from "./TapEvent.ts"
import { Watch } from "./Watch.ts"

const option = Options.of("tap")
const web = option.int("web", {
  metavar: "PORT",
  description: "Shows it on a page of 127.0.0.1, too; 0 takes a free port"
})
const record = option.text("record", {
  metavar: "FILE",
  description: "Writes the first 100 connections as vectors, for framewire replay; 1 MiB each way"
})
const json = option.toggle("json", { description: "One JSON object a line, for programs", fallback: false })
const frames = option.int("frames", {
  metavar: "N",
  description: "Frames shown a second at most; the others are counted",
  fallback: 100
})
const connections = option.int("connections", {
  metavar: "N",
  description: "Clients at a time; more are turned away",
  fallback: 1024
})

/** Prints until it is interrupted. A slow reader of standard output loses events, and slows nobody. */
const print = Effect.fnUntraced(function*(events: PubSub.Subscription<TapEvent>, asJson: boolean) {
  const stdio = yield* Stdio.Stdio
  const { canColor: colours } = yield* TerminalCapabilities.TerminalCapabilities
  let expected = 1
  const lines = (batch: ReadonlyArray<TapEvent>) => {
    const text: Array<string> = []
    for (const event of batch) {
      if (event.sequence > expected && !asJson) text.push(`${event.sequence - expected} events lost: too slow a reader`)
      expected = event.sequence + 1
      const line = asJson ? JSON.stringify(Print.toJson(event)) : Print.line(event, colours)
      if (line !== undefined) text.push(line)
    }
    return text.length === 0 ? "" : `${text.join("\n")}\n`
  }
  yield* Stream.fromSubscription(events).pipe(
    Stream.mapArray((batch) => [lines(batch)]),
    Stream.filter((text) => text !== ""),
    Stream.run(stdio.stdout())
  )
})

export const tap = Command.make(
  "tap",
  {
    listen: Options.listen,
    to: Options.to,
    framing: Flag.optional(Options.framing),
    web: Flag.optional(web),
    record: Flag.optional(record),
    json,
    frames,
    connections
  },
  Effect.fnUntraced(
    function*(options) {
      const at = yield* Options.parseAddress(options.listen)
      const target = yield* Options.parseAddress(options.to)
      const page = Option.getOrUndefined(options.web)
      if (page !== undefined && !Address.isPort(page)) {
        return yield* CommandError.usage(`--web: 0 to ${Address.maxPort}`)
      }
      const spec = Option.getOrUndefined(options.framing)
      const framing = spec === undefined ? undefined : yield* Options.parseFraming(spec)
      const path = Option.getOrUndefined(options.record)
      if (path !== undefined && (framing === undefined || spec === undefined)) {
        return yield* CommandError.usage("--record: a vector needs its codec, so say --framing, too")
      }
      if (options.frames < 0) return yield* CommandError.usage("--frames: 0 or more")
      if (options.connections < 1) return yield* CommandError.usage("--connections: 1 or more")

      const hub = yield* Hub.make
      const watch = new Watch(hub, framing, options.frames)
      const recording = path === undefined || framing === undefined || spec === undefined
        ? undefined
        : yield* Recording.make(path, framing, spec)
      // Before the first event, so that it misses none.
      const printed = yield* PubSub.subscribe(hub.events)
      if (page !== undefined) {
        const url = yield* Page.serve({ host: "127.0.0.1", port: page }, { name: "tap", hub })
        yield* Console.error(`framewire: the page is ${url}`)
      }
      let clients = 0
      const server = yield* Effect.mapError(
        Server.make(
          {
            ...Relay.patient,
            address: at,
            deadlines: "unbounded",
            maxConnections: options.connections,
            drainDeadline: 0
          },
          (client) => Relay.relay(watch, ++clients, client, target, recording)
        ),
        CommandError.failure
      )
      hub.tell({ _tag: "Listening", address: server.address, to: target })

      yield* Effect.raceFirst(watch.seconds(server.connections), print(printed, options.json)).pipe(
        // A signal is how it ends, and no failure.
        Effect.onInterrupt(() => Effect.sync(() => process.exitCode = 0))
      )
    },
    Effect.scoped,
    Effect.provide(NodeTransport.layer)
  )
).pipe(
  Command.withDescription("Stand between clients and a server, and show what passes: their lives and their frames")
)
