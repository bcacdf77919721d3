import { assert, describe, it } from "@effect/vitest"
import { type Address, Transport } from "@framewire/core"
import { SocketActivation } from "@framewire/core/node"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs"
import { networkInterfaces, tmpdir } from "node:os"
import { join } from "node:path"
import * as Child from "./support/Child.ts"
import { anyPort, bounded, failure, Raw, reasonOf } from "./support/index.ts"

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"))

const portOf = (address: Address.Address): number => {
  assert("port" in address)
  return address.port
}

describe("reusePort", () => {
  it.live("many listen on one port, and the kernel spreads the clients", () =>
    bounded(Effect.gen(function*() {
      const first = yield* Transport.listen(anyPort, { linger: 0, reusePort: true })
      const second = yield* Transport.listen(first.address, { linger: 0, reusePort: true })
      assert.deepStrictEqual(second.address, first.address)
      const counts = Effect.map(Effect.all([first.counters, second.counters]), (all) =>
        all.map(({ accepted }) => accepted))
      let clients = 0
      for (; clients < 200 && (yield* counts).includes(0); clients++) {
        yield* Raw.connect(first.address)
      }
      assert.notInclude(yield* counts, 0)
      // The other takes them all while one is suspended.
      yield* first.suspend
      const before = (yield* first.counters).accepted
      for (let i = 0; i < 20; i++) {
        yield* Raw.connect(first.address)
      }
      assert.strictEqual((yield* first.counters).accepted, before)
      yield* first.resume
      assert.strictEqual((yield* failure(Transport.listen(first.address))).reason._tag, "AddressInUse")
    })), process.platform === "linux" ? {} : { skip: true })

  it.live("not by default", () =>
    bounded(Effect.gen(function*() {
      const first = yield* Transport.listen(anyPort)
      const error = yield* failure(Transport.listen(first.address, { reusePort: true }))
      assert.strictEqual(error.reason._tag, "AddressInUse")
    })))
})

describe("ipv6Only", () => {
  it.live("takes no IPv4 clients, and leaves the IPv4 port to others", () =>
    bounded(Effect.gen(function*() {
      const listener = yield* Transport.listen({ host: "::", port: 0 }, { ipv6Only: true, linger: 0 })
      const port = portOf(listener.address)
      const error = yield* failure(Transport.connect({ host: "127.0.0.1", port }))
      assert.strictEqual(error.reason._tag, "ConnectionRefused")
      yield* Transport.listen({ host: "127.0.0.1", port })
      yield* Raw.connect({ host: "::1", port })
      assert.deepStrictEqual((yield* listener.accept).local, { host: "::1", port })
    })), hasIpv6 ? {} : { skip: true })

  it.live("by default it takes both, and so after resume", () =>
    bounded(Effect.gen(function*() {
      const listener = yield* Transport.listen({ host: "::", port: 0 }, { linger: 0 })
      const port = portOf(listener.address)
      yield* listener.suspend
      yield* listener.resume
      for (const host of ["127.0.0.1", "::1"]) {
        const peer = yield* Raw.connect({ host, port })
        assert.strictEqual(portOf((yield* listener.accept).remote), peer.socket.localPort)
      }
    })), hasIpv6 ? {} : { skip: true })
})

// What systemd starts: it serves until it is drained, after the first client.
const activated = `
  import { Transport } from "@framewire/core"
  import { NodeTransport, SocketActivation } from "@framewire/core/node"
  import * as Effect from "effect/Effect"
  import * as Pull from "effect/Pull"
  const [at, who] = process.argv.slice(1)
  await Effect.runPromise(Effect.gen(function*() {
    const [{ fd, name }] = yield* SocketActivation.descriptors
    const address = JSON.parse(at)
    const listener = yield* Transport.listen({ ...address, ...("port" in address && { port: 0 }) }, { fd })
    const suspend = (yield* Effect.flip(listener.suspend)).reason._tag
    const answer = Buffer.from(JSON.stringify({ who, fd, name, address: listener.address, suspend }))
    yield* Effect.forever(Effect.gen(function*() {
      const connection = yield* listener.accept
      yield* connection.send(answer)
      yield* connection.close()
      yield* listener.drain
    })).pipe(Pull.catchDone(() => Effect.void))
  }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer)))
`

// systemd: it holds the socket, and as its loop stands still it accepts nobody.
const holder = `
  import { createServer } from "node:net"
  import { spawnSync } from "node:child_process"
  const [at, node, ...args] = process.argv.slice(1)
  const server = createServer().listen(JSON.parse(at), () => {
    const address = server.address()
    const now = typeof address === "string" ? { path: address } : { host: address.address, port: address.port }
    console.log(JSON.stringify(now))
    for (const who of ["first", "second"]) {
      spawnSync("bash", ["-c", 'LISTEN_PID=$$ exec "$0" "$@"', node, ...args, JSON.stringify(now), who], {
        env: { ...process.env, LISTEN_FDS: "1", LISTEN_FDNAMES: "front" },
        stdio: ["ignore", "inherit", "inherit", server._handle.fd]
      })
    }
    process.exit()
  })
`

describe("an inherited descriptor", () => {
  const directory = Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "framewire-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
  )
  const kinds = {
    TCP: Effect.succeed(anyPort),
    Unix: Effect.map(directory, (directory) => ({ path: join(directory, "socket") }))
  }
  for (const kind of ["TCP", "Unix"] as const) {
    it.live(`${kind}: is listened on, and a restart loses no client`, () =>
      bounded(Effect.gen(function*() {
        const at = JSON.stringify(yield* kinds[kind])
        const node = [process.execPath, ...Child.node, activated]
        const { next } = yield* Child.start(process.execPath, [...Child.node, holder, at, ...node])
        const address = (yield* next) as Address.Address
        const served: Array<string> = []
        while (served.at(-1) !== "second") {
          const peer = yield* Raw.connect(address)
          assert.strictEqual(yield* peer.ended, "FIN")
          yield* peer.end
          const { who, ...rest } = JSON.parse(peer.text())
          served.push(who)
          assert.deepStrictEqual(rest, { fd: 3, name: "front", address, suspend: "InvalidAddress" })
        }
        assert.strictEqual(served[0], "first")
        assert.strictEqual(yield* next, "exit")
      })))
  }

  it.live("that is no listening socket is refused", () =>
    bounded(Effect.gen(function*() {
      const file = yield* Effect.acquireRelease(
        Effect.sync(() => openSync("/dev/null", "r")),
        (fd) => Effect.sync(() => closeSync(fd))
      )
      for (const fd of [file, 9999, -1, 1.5, NaN, 2 ** 31]) {
        const error = yield* failure(Transport.listen(anyPort, { fd }))
        assert.deepStrictEqual([error._tag, error.reason._tag], ["ListenError", "InvalidAddress"], String(fd))
        assert.deepStrictEqual(error.local, anyPort)
      }
    })))

  it.live("undefined: opens one", () =>
    bounded(Effect.gen(function*() {
      const listener = yield* Transport.listen(anyPort, { fd: undefined, linger: 0 })
      yield* Raw.connect(listener.address)
      const connection = yield* listener.accept
      assert.strictEqual(reasonOf(yield* connection.abort), "Aborted")
    })))
})

describe("SocketActivation", () => {
  const read = (environment: Record<string, string>, pid = 77) =>
    Result.match(SocketActivation.fromEnvironment(environment, pid), {
      onSuccess: (all) => all.map(({ fd, name }) => `${fd} ${name}`),
      onFailure: ({ message, reason }) => `${reason._tag}: ${message}`
    })

  it("counts from 3, with the names of the units", () => {
    assert.deepStrictEqual(read({ LISTEN_PID: "77", LISTEN_FDS: "1" }), ["3 undefined"])
    assert.deepStrictEqual(
      read({ LISTEN_PID: "77", LISTEN_FDS: "3", LISTEN_FDNAMES: "http:admin" }),
      ["3 http", "4 admin", "5 undefined"]
    )
    assert.lengthOf(read({ LISTEN_PID: "77", LISTEN_FDS: "1024" }), 1024)
  })

  it("absent, for another process, malformed", () => {
    const none = "NotActivated: no socket activation: no descriptor was passed to this process"
    for (const environment of [{}, { LISTEN_PID: "77" }, { LISTEN_FDS: "1" }, { LISTEN_PID: "77", LISTEN_FDS: "0" }]) {
      assert.strictEqual(read(environment), none)
    }
    assert.strictEqual(
      read({ LISTEN_PID: "7", LISTEN_FDS: "1" }),
      "OtherProcess: no socket activation: the descriptors are meant for process 7, this is 77"
    )
    for (const value of ["", "x", "-1", "1.5", "1025", "1e3", "99999"]) {
      assert.strictEqual(
        read({ LISTEN_PID: "77", LISTEN_FDS: value }),
        `Malformed: no socket activation: LISTEN_FDS is ${JSON.stringify(value)}`
      )
    }
    for (const value of ["", "0", "077", "-77", "self"]) {
      assert.match(String(read({ LISTEN_PID: value, LISTEN_FDS: "1" })), /^Malformed: .* LISTEN_PID is /)
    }
  })

  it.live("this process has none", () =>
    bounded(Effect.gen(function*() {
      const error = yield* failure(SocketActivation.descriptors)
      assert.strictEqual(error._tag, "SocketActivationError")
      assert.strictEqual(error.reason._tag, "NotActivated")
    })))
})
