// Every option of every public constructor that a type cannot keep from nonsense: it is refused where it is given, by a
// sentence that says which option it is, what was given, and what is allowed.
import { assert, describe, it } from "@effect/vitest"
import { Client, Heartbeat, Pool, Reconnect, RetryBudget, Subscription } from "@framewire/client"
import { EffectSocket, type InvalidOption, Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { MemoryTransport } from "@framewire/core/testing"
import {
  Ber,
  Checked,
  Cobs,
  Codec,
  ConcatenatedJson,
  ContentLength,
  Delimited,
  FixedLength,
  Framed,
  JsonSequence,
  LengthPrefixed,
  Lines,
  MySqlPacket,
  Ndjson,
  Netstring,
  OctetCounted,
  Protocol,
  ProxyHeader,
  Resp,
  Slip,
  SunRpcRecord,
  Tpkt,
  Varint
} from "@framewire/framing"
import { Recorder } from "@framewire/framing/testing"
import { Admission, Broadcast, Deadlines, ProxyProtocol, Server } from "@framewire/server"
import { Workers } from "@framewire/server/node"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

const wrong = {
  count: [NaN, -1, 1.5, -Infinity, 2 ** 53],
  amount: [NaN, -1, -Infinity],
  duration: [NaN, -1, "-1 seconds", -Infinity]
} as const
type Kind = keyof typeof wrong

/** An object with one option, which every type of options takes: of what is in it the compiler knows nothing. */
type Options = Record<string, never>
const given = (option: string, value: unknown): Options => {
  const options: Options = {}
  Reflect.set(options, option, value)
  return options
}

type Made = Effect.Effect<unknown, unknown, Transport.Transport | Scope.Scope>
/** What is built at once is built in an effect, so that a throw is its defect. */
const built = (build: () => unknown): Made => Effect.sync(build)

interface Case {
  readonly options: Readonly<Record<string, Kind>>
  readonly make: (options: Options) => Made
  readonly under?: string
}

const address = { host: "127.0.0.1", port: 1 }
const free = { host: "127.0.0.1", port: 0 }
const lines = Codec.text(Lines.make())
const plain = Protocol.symmetric(lines)
const silent = () => Effect.void

const connection = {
  linger: "duration",
  readBuffer: "count",
  maxWriteBuffer: "count",
  writeTimeout: "duration",
  halfCloseTimeout: "duration",
  readStallTimeout: "duration"
} as const
const keepAlive = { idle: "duration", interval: "duration", count: "count" } as const
const client = {
  ...connection,
  timeout: "duration",
  attemptDelay: "duration",
  maxInFlight: "count",
  maxPushes: "count",
  maxStreamed: "count",
  requestTimeout: "duration",
  drainTimeout: "duration"
} as const
const reconnect = { ...client, maxRetryAfter: "duration", stableAfter: "duration", sessionTimeout: "duration" } as const
const queue = { maxRequests: "count", maxBytes: "count", maxAge: "duration" } as const

const core: Readonly<Record<string, Case>> = {
  "Transport.listen": {
    options: { ...connection, backlog: "count" },
    make: (it) => Transport.listen(address, it)
  },
  "Transport.listen, keepAlive": {
    under: "keepAlive.",
    options: keepAlive,
    make: (it) => Transport.listen(address, { keepAlive: it })
  },
  "Transport.connect": {
    options: { ...connection, timeout: "duration", attemptDelay: "duration" },
    make: (it) => Transport.connect(address, it)
  },
  "Transport.connect, keepAlive": {
    under: "keepAlive.",
    options: keepAlive,
    make: (it) => Transport.connect(address, { keepAlive: it })
  },
  "Transport.connect, tls": {
    under: "tls.",
    options: { handshakeTimeout: "duration" },
    make: (it) => Transport.connect(address, { tls: it })
  },
  "EffectSocket.toSocket": {
    options: { writeTimeout: "duration" },
    make: (it) => built(() => EffectSocket.toSocket(Effect.never, it))
  },
  "EffectSocket.toSocketServer": {
    options: { writeTimeout: "duration" },
    make: (it) => Effect.flatMap(Transport.listen(free), (listener) => EffectSocket.toSocketServer(listener, it))
  },
  "EffectSocket.fromSocket": {
    options: { linger: "duration", readBuffer: "count", maxWriteBuffer: "count" },
    make: (it) => {
      const socket = EffectSocket.toSocket(Effect.never)
      return EffectSocket.fromSocket(socket, { local: address, remote: address, ...it })
    }
  },
  "MemoryTransport.layer": {
    options: { latency: "duration", bandwidth: "amount", rechunk: "count", buffer: "count" },
    make: (it) => built(() => MemoryTransport.layer(it))
  }
}

const connected = Effect.flatMap(Transport.listen(free), ({ address }) => Transport.connect(address))
const recording = { id: "id", source: "a test", codec: lines, spec: { kind: "framewire", spec: "lines" } }

const limit = { limit: "count" } as const
const framing: Readonly<Record<string, Case>> = {
  "Framed.make": {
    options: { frameTimeout: "duration" },
    make: (it) => Effect.map(connected, (connection) => Framed.make(connection, lines, it))
  },
  "Recorder.record": {
    options: { maxBytes: "count", maxChunks: "count" },
    make: (it) => Effect.flatMap(connected, (connection) => Recorder.record(connection, { ...recording, ...it }))
  },
  ...Object.fromEntries(
    [
      ...Object.entries({ Ber, Cobs, ConcatenatedJson, ContentLength, Lines, MySqlPacket, Netstring, OctetCounted }),
      ...Object.entries({ ProxyHeader, Resp, Slip, SunRpcRecord, Tpkt, Varint })
    ].map(([name, { make }]): [string, Case] => [
      `${name}.make`,
      { options: limit, make: (it) => built(() => make(it)) }
    ])
  ),
  "Checked.make": {
    options: { width: "count" },
    make: (it) => built(() => Checked.make(Lines.make(), { checksum: { ...Checked.crc32, ...it } }))
  },
  "Codec.json": {
    options: { depth: "count" },
    make: (it) => built(() => Codec.json(Schema.String, it)(Lines.make()))
  },
  "Delimited.make": {
    options: limit,
    make: (it) => built(() => Delimited.make({ delimiter: "|", ...it }))
  },
  "FixedLength.make": { options: { size: "count" }, make: (it) => built(() => FixedLength.make({ size: 1, ...it })) },
  "JsonSequence.framing": { options: limit, make: (it) => built(() => JsonSequence.framing(it)) },
  "LengthPrefixed.make": {
    options: { width: "count", limit: "count", offset: "count", strip: "count" },
    make: (it) => built(() => LengthPrefixed.make({ width: 4, ...it }))
  },
  "Ndjson.make": { options: limit, make: (it) => built(() => Ndjson.make(Schema.String, it)) }
}

const server: Readonly<Record<string, Case>> = {
  "Server.make": {
    options: {
      ...connection,
      backlog: "count",
      maxConnections: "count",
      broadcastBudget: "count",
      drainDeadline: "duration",
      preStopDelay: "duration",
      goodbye: "duration",
      closeSpread: "duration",
      drainLinger: "duration"
    },
    make: (it) => Server.make({ address, ...it }, silent)
  },
  "Server.respond": {
    options: { concurrency: "count" },
    make: (it) => built(() => Server.respond(plain, Effect.succeed, it))
  },
  "Server.make, perClient": {
    under: "perClient.",
    options: { maxConnections: "count" },
    make: (it) => Server.make({ address, perClient: it }, silent)
  },
  "Server.make, perClient.rate": {
    under: "perClient.rate.",
    options: { limit: "amount", window: "duration" },
    make: (it) => Server.make({ address, perClient: { rate: { limit: 1, window: 1, ...it } } }, silent)
  },
  "Server.make, proxy": {
    under: "proxy.",
    options: { timeout: "duration", maxPending: "count" },
    make: (it) => Server.make({ address, proxy: { trusted: [], ...it } }, silent)
  },
  "Server.make, deadlines": {
    options: { firstFrame: "duration", frame: "duration", minRate: "amount", readIdle: "duration" },
    make: (it) => Server.make({ address, deadlines: it }, silent)
  },
  "Server.admission.set": {
    options: { maxConnections: "count" },
    make: (it) => Effect.flatMap(Server.make({ address }, silent), ({ admission }) => admission.set(it))
  },
  "Admission.park": { options: { max: "count", timeout: "duration" }, make: (it) => built(() => Admission.park(it)) },
  "Deadlines.make, age": {
    under: "age.",
    options: { after: "duration", jitter: "amount", grace: "duration" },
    make: (it) => Deadlines.make({ age: { after: 1, ...it } })
  },
  "Broadcast.make": { options: { budget: "count" }, make: (it) => Broadcast.make(lines, it) },
  "Broadcast.join": {
    options: { maxBytes: "count", maxMessages: "count" },
    make: (it) =>
      Effect.gen(function*() {
        const { join } = yield* Broadcast.make(lines)
        const listener = yield* Transport.listen(address)
        yield* join(yield* Transport.connect(listener.address), it)
      })
  },
  "ProxyProtocol.read": {
    options: { timeout: "duration", limit: "count" },
    make: (it) => built(() => ProxyProtocol.read({ trusted: [], ...it }))
  },
  "Workers.make": {
    options: { workers: "count", readyTimeout: "duration", stopTimeout: "duration" },
    make: (it) => Workers.make({ address, entry: "none", ...it })
  }
}

const clients: Readonly<Record<string, Case>> = {
  "Client.connect": { options: client, make: (it) => Client.connect(plain, address, it) },
  "Client.connect, heartbeat": {
    under: "heartbeat.",
    options: { interval: "duration", misses: "count" },
    make: (it) => Client.connect(plain, address, { heartbeat: { ping: "", ...it } })
  },
  "Reconnect.make": { options: reconnect, make: (it) => Reconnect.make(plain, address, it) },
  "Reconnect.make, queue": {
    under: "queue.",
    options: queue,
    make: (it) => Reconnect.make(plain, address, { queue: it })
  },
  "Pool.make": {
    options: {
      ...reconnect,
      size: "count",
      minSize: "count",
      maxWaiting: "count",
      waitTimeout: "duration",
      idleTimeout: "duration",
      maxAge: "duration",
      checkAfter: "duration",
      maxFailures: "count",
      ejectionTime: "duration"
    },
    make: (it) => Pool.make(plain, address, it)
  },
  "Subscription.make": {
    options: reconnect,
    make: (it) => Subscription.make(plain, address, { subscribe: () => Effect.void, ...it })
  },
  "Heartbeat.keepAlive": {
    options: { interval: "duration", misses: "count" },
    make: (it) => built(() => Heartbeat.keepAlive(it))
  },
  "RetryBudget.make": {
    options: { ratio: "amount", perSecond: "amount", reserve: "amount" },
    make: (it) => RetryBudget.make(it)
  }
}

const isRefusal = (error: unknown): error is InvalidOption.InvalidOption =>
  error instanceof Error && "_tag" in error && error._tag === "InvalidOption"

/** How it refuses, if it does: as a defect, because the program has to change. */
const refusal = (made: Effect.Effect<unknown, unknown, Scope.Scope>) =>
  Effect.scoped(made).pipe(
    Effect.timeout("5 seconds"),
    Effect.exit,
    Effect.map((exit) => {
      const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      return isRefusal(error) ? error : undefined
    })
  )

const suite = (
  where: string,
  cases: Readonly<Record<string, Case>>,
  transport: Layer.Layer<Transport.Transport> = MemoryTransport.layer()
) =>
  describe(`options of ${where}`, () => {
    for (const [name, { make, options, under = "" }] of Object.entries(cases)) {
      it.live.each(Object.entries(options))(`${name}: %s, a %s`, ([option, kind]) =>
        Effect.gen(function*() {
          for (const value of wrong[kind]) {
            const made = Effect.suspend(() => make(given(option, value)))
            const refused = yield* refusal(Effect.provide(made, transport))
            assert.isDefined(refused, `${under}${option}: ${value} is accepted`)
            assert.strictEqual(refused?.option, under + option)
            assert.strictEqual(refused?.message, `${under}${option} is ${value}, allowed is ${refused?.allowed}`)
            assert.isNotEmpty(refused?.allowed)
          }
        }))
    }
  })

suite("core, in memory", core)
suite("core, node:net", core, NodeTransport.layer)
suite("framing", framing)
suite("server", server)
suite("client", clients)
