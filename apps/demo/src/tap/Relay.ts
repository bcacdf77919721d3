// One client, one server, and every byte between them as it is.
//
//   client  -- lendEach --> sendAllUnsafe --> server       bytes, with the backpressure of the slower side
//           <-- FIN --------- shutdownWrite                a half-close stays one
//           <-- RST --------- abort                        a reset, too
import { type Address, type Connection, Transport } from "@framewire/core"
import * as Effect from "effect/Effect"
import * as CloseText from "./CloseText.ts"
import * as Guess from "./Guess.ts"
import type * as Recording from "./Recording.ts"
import type { Side } from "./TapEvent.ts"
import type { Watch } from "./Watch.ts"
import { Watcher } from "./Watcher.ts"

/**
 * What must not be the tap's to end: as long as both peers want it, a direction may be silent or closed, or its reader
 * slow. Memory is bounded by backpressure; this bounds what a host that is gone leaves.
 */
export const patient: Connection.ConnectionOptions = {
  writeTimeout: "1 hour",
  halfCloseTimeout: "1 hour",
  readStallTimeout: "1 hour"
}

/** Frames are told apart from now on, those that came already too. */
const guess = (watch: Watch, client: Watcher, server: Watcher) => {
  if (watch.framing !== undefined) return
  const guessed = Guess.guess(client.waiting, server.waiting)
  if (guessed === undefined) return
  watch.framing = guessed.framing ?? "chunks"
  watch.hub.tell({ _tag: "Guessed", framing: guessed.spec, why: guessed.why })
  client.read()
  server.read()
}

/** Serves a client that was accepted, until both directions are over. */
export const relay = Effect.fnUntraced(
  function*(
    watch: Watch,
    connection: number,
    client: Connection.Connection,
    to: Address.Address,
    recording: Recording.Recording | undefined
  ) {
    const { hub } = watch
    hub.tell({ _tag: "Accepted", connection, client: client.remote })
    const dialled = yield* Effect.exit(Transport.connect(to, patient))
    if (dialled._tag === "Failure") {
      const error = dialled.cause.reasons.find((reason) => reason._tag === "Fail")?.error
      hub.tell({
        _tag: "Trouble",
        connection,
        from: "server",
        error: error?.reason._tag ?? "Interrupted",
        message: error?.message ?? "interrupted"
      })
      yield* client.abort
      hub.tell({ _tag: "Closed", connection, client: "reset by the tap", server: "never connected" })
      return
    }
    const server = dialled.value
    hub.tell({ _tag: "Dialled", connection })

    const watchers = {
      client: new Watcher(watch, connection, "client"),
      server: new Watcher(watch, connection, "server")
    }
    watch.watchers.set(connection, watchers)
    // It is written however this ends: a tap is mostly told to stop while connections live.
    const taken = recording === undefined
      ? undefined
      : yield* Effect.acquireRelease(recording.begin(connection, client, server), (taken) => taken?.end ?? Effect.void)
    const pump = (from: Side, source: Connection.Connection, target: Connection.Connection) => {
      const watcher = watchers[from]
      const pass = (batch: ReadonlyArray<Uint8Array>) => {
        const sent = target.sendAllUnsafe(batch)
        watcher.see(batch)
        guess(watch, watchers.client, watchers.server)
        return sent
      }
      return (taken === undefined ? source.lendEach(pass) : taken[from](pass)).pipe(
        Effect.andThen(Effect.suspend(() => {
          watcher.end()
          hub.tell({ _tag: "HalfClosed", connection, by: from })
          return target.shutdownWrite
        }))
      )
    }
    yield* Effect.all([pump("client", client, server), pump("server", server, client)], {
      concurrency: 2,
      discard: true
    }).pipe(
      // Whoever broke it, the other one hears the same: RST.
      Effect.catch(() => Effect.all([client.abort, server.abort])),
      Effect.ensuring(Effect.sync(() => {
        watch.watchers.delete(connection)
        watchers.client.free()
        watchers.server.free()
      }))
    )
    const [atClient, atServer] = yield* Effect.all([client.close(), server.close()], { concurrency: 2 })
    hub.tell({
      _tag: "Closed",
      connection,
      client: CloseText.of(atClient, "the tap"),
      server: CloseText.of(atServer, "the tap")
    })
  },
  Effect.scoped
)
