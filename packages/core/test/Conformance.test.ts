import { assert, describe, it } from "@effect/vitest"
import { type Connection, type Listener, Transport } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import { Conformance, MemoryTransport } from "@framewire/core/testing"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { mkdtempSync, rmSync } from "node:fs"
import { networkInterfaces, tmpdir } from "node:os"
import { join } from "node:path"
import * as Certificates from "../../../tests/support/Certificates.ts"
import { tellsRstAfterBytes } from "./support/index.ts"

// The cases wait on Effect's clock, for real time on real sockets; under TestClock this is what passes it.
const timePasses = <A, E, R>(run: Effect.Effect<A, E, R>) =>
  Effect.raceFirst(run, Effect.forever(Effect.andThen(TestClock.adjust("1 millis"), Effect.yieldNow)))

const loopback4 = { host: "127.0.0.1", port: 0 }
const loopback6 = { host: "::1", port: 0 }

const networks: Record<string, MemoryTransport.Options> = {
  "nothing between": {},
  "slow, cut and jittering": { latency: ["1 millis", "9 millis"], rechunk: 5000, bandwidth: 50_000_000, seed: "slow" },
  "a buffer of 1 KiB": { buffer: 1024 }
}

for (const [name, options] of Object.entries(networks)) {
  for (const address of [loopback4, { path: "/memory/socket" }]) {
    describe(`conformance: memory, ${name}, ${"path" in address ? "Unix" : "TCP"}`, () => {
      for (const { name, run } of Conformance.suite({ address, large: 1_000_000, timeout: "10 minutes" })) {
        it.effect(name, () => timePasses(Effect.provide(run, MemoryTransport.layer(options))))
      }
    })
  }
}

describe("conformance: memory, in real time", () => {
  for (const { name, run } of Conformance.suite({ address: loopback4, large: 1_000_000 })) {
    it.live(name, () => Effect.provide(run, MemoryTransport.layer({ latency: "1 millis" })))
  }
})

describe("conformance: node:net, 127.0.0.1", tellsRstAfterBytes, () => {
  for (const { name, run } of Conformance.suite({ address: loopback4 })) {
    it.live(name, () => Effect.provide(run, NodeTransport.layer))
  }
})

/** Every connection secured by TLS, on both ends. */
const secured = Layer.effect(
  Transport.Transport,
  Effect.map(Transport.Transport, (it) =>
    Transport.Transport.of({
      events: it.events,
      connect: (address, options) => it.connect(address, { ...options, tls: { ca: Certificates.ca } }),
      listen: (address, options) => it.listen(address, { ...options, tls: { identity: Certificates.server } })
    }))
).pipe(Layer.provide(NodeTransport.layer))

describe("conformance: node:tls, 127.0.0.1", tellsRstAfterBytes, () => {
  for (const { name, run } of Conformance.suite({ address: loopback4 })) {
    it.live(name, () => Effect.provide(run, secured))
  }
})

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"))

describe(`conformance: node:net, ::1${hasIpv6 ? "" : " (skipped: this host has no ::1)"}`, {
  skip: !hasIpv6 || tellsRstAfterBytes.skip
}, () => {
  for (const { name, run } of Conformance.suite({ address: loopback6 })) {
    it.live(name, () => Effect.provide(run, NodeTransport.layer))
  }
})

describe("conformance: node:net, Unix socket", () => {
  const directory = Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true }))
  )
  // The cases are data, so their names are there before any directory is.
  for (const [index, { name }] of Conformance.suite({ address: { path: "" } }).entries()) {
    it.live(name, () =>
      Effect.scoped(Effect.flatMap(directory, (path) => {
        const cases = Conformance.suite({ address: { path: join(path, "s") } })
        return Effect.provide(cases[index]?.run ?? Effect.die("no such case"), NodeTransport.layer)
      })))
  }
})

describe("conformance: a transport that breaks a promise is found", () => {
  /** The transport in memory, with other connections or listeners. */
  const changed = (
    connection: (it: Connection.Connection) => Partial<Connection.Connection>,
    listener: (it: Listener.Listener) => Partial<Listener.Listener> = () => ({})
  ) =>
    Layer.effect(
      Transport.Transport,
      Effect.map(Transport.Transport, (it) => {
        const other = (original: Connection.Connection) => ({ ...original, ...connection(original) })
        return Transport.Transport.of({
          events: it.events,
          connect: (address, options) => Effect.map(it.connect(address, options), other),
          listen: (address, options) =>
            Effect.map(it.listen(address, options), (original) => ({
              ...original,
              accept: Effect.map(original.accept, other),
              ...listener(original)
            }))
        })
      })
    ).pipe(Layer.provide(MemoryTransport.layer()))

  const cases = Conformance.suite({ address: loopback4, large: 200_000, timeout: "5 seconds" })
  const broken: Record<string, Layer.Layer<Transport.Transport>> = {
    "abort sends FIN": changed((it) => ({ abort: it.close({ linger: 0 }) })),
    "close does not wait": changed((it) => ({ close: () => it.close({ linger: 0 }) })),
    "close resets": changed((it) => ({ close: () => it.abort })),
    "shutdownWrite does nothing": changed(() => ({ shutdownWrite: Effect.void })),
    "shutdownWrite closes": changed((it) => ({ shutdownWrite: Effect.asVoid(it.close({ linger: 0 })) })),
    "send waits for nothing": changed((it) => ({
      send: (bytes) => Effect.asVoid(Effect.forkDetach(it.send(bytes), { startImmediately: true }))
    })),
    "sendAll forgets the last chunk of several": changed((it) => ({
      sendAll: (chunks) => it.sendAll(chunks.length > 1 ? chunks.slice(0, -1) : chunks)
    })),
    "sendAll sends in the wrong order": changed((it) => ({ sendAll: (chunks) => it.sendAll(chunks.toReversed()) })),
    "an interrupted receive takes": changed((it) => ({
      receive: Effect.flatMap(it.receive, (chunks) => Effect.as(Effect.sleep("2 millis"), chunks))
    })),
    "receive never ends": changed((it) => ({
      receive: Effect.catch(it.receive, (error) => "reason" in error ? Effect.fail(error) : Effect.never)
    })),
    "drain drops who waits": changed(
      () => ({}),
      (it) => ({ drain: Effect.andThen(it.drain, Effect.ignore(Effect.scoped(it.accept))) })
    ),
    "suspend does nothing": changed(() => ({}), () => ({ suspend: Effect.void })),
    "nothing is counted": changed(() => ({}), () => ({ counters: Effect.succeed({ accepted: 0, shed: 0 }) }))
  }
  for (const [name, layer] of Object.entries(broken)) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const failed: Array<string> = []
        for (const { name, run } of cases) {
          const exit = yield* Effect.exit(timePasses(Effect.provide(run, layer)))
          if (Exit.isFailure(exit)) failed.push(name)
        }
        assert.isNotEmpty(failed)
      }))
  }

  it.effect("an intact one passes so", () =>
    Effect.forEach(
      cases,
      ({ run }) => timePasses(Effect.provide(run, changed(() => ({})))),
      { discard: true }
    ))
})
