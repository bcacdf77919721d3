// What passes, as the vectors that `npm run conformance` and the tests of framing read: two a connection.
import type { Connection } from "@framewire/core"
import type { Codec } from "@framewire/framing"
import { Recorder, type Vector } from "@framewire/framing/testing"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import { type FileHandle, open } from "node:fs/promises"
import * as CommandError from "../CommandError.ts"
import type { Side } from "./TapEvent.ts"

/** Connections that are recorded, each with 1 MiB and 10,000 chunks a side at most. */
const maxConnections = 100

type Each = (
  pass: (batch: ReadonlyArray<Uint8Array>) => Effect.Effect<void, unknown>
) => Effect.Effect<void, unknown>

export interface Recording {
  readonly begin: (
    connection: number,
    client: Connection.Connection,
    server: Connection.Connection
  ) => Effect.Effect<(Record<Side, Each> & { readonly end: Effect.Effect<void> }) | undefined>
}

const eachOf = ({ connection }: Recorder.Recorder): Each => (pass) =>
  Stream.runForEachArray(Stream.fromPull(Effect.succeed(connection.receive)), pass)

/** Writes a JSON array that is whole from the beginning, and after each connection. */
export const make = (
  path: string,
  framing: Codec.Framing,
  spec: string
): Effect.Effect<Recording, CommandError.CommandError, Scope.Scope> =>
  Effect.gen(function*() {
    const file: FileHandle = yield* Effect.acquireRelease(
      Effect.tryPromise({
        try: () => open(path, "w"),
        catch: (cause) =>
          CommandError.failure({ message: `--record: ${cause instanceof Error ? cause.message : path}` })
      }),
      (file) => Effect.promise(() => file.close())
    )
    const turn = Semaphore.makeUnsafe(1)
    let begun = 0
    let at = 0
    const put = (vectors: ReadonlyArray<Vector.Vector>) =>
      turn.withPermit(Effect.promise(async () => {
        const text = `${at === 0 ? "[\n" : ",\n"}${vectors.map((vector) => JSON.stringify(vector)).join(",\n")}`
        await file.write(`${text}\n]\n`, at)
        at += Buffer.byteLength(text)
      }))
    yield* Effect.promise(() => file.write("[]\n", 0))
    const begin: Recording["begin"] = (connection, client, server) => {
      if (begun++ >= maxConnections) return Effect.succeed(undefined)
      const record = (side: Side, of: Connection.Connection) =>
        Recorder.record(of, {
          id: `tap-${connection}-${side}`,
          source: "framewire tap",
          codec: framing,
          spec: { kind: "framewire", spec }
        })
      return Effect.map(
        Effect.all([record("client", client), record("server", server)]),
        ([fromClient, fromServer]) => ({
          client: eachOf(fromClient),
          server: eachOf(fromServer),
          end: Effect.flatMap(Effect.all([fromClient.vector, fromServer.vector]), put)
        })
      )
    }
    return { begin }
  })
