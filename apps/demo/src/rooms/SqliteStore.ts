// History in a file. WAL with synchronous=FULL: a commit is on the disk when it returns, so that neither kill -9 nor a loss
// of power takes what was acknowledged. Each commit blocks the process for an fsync; the bus commits in batches.
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import * as CommandError from "../CommandError.ts"
import type { Said } from "./Messages.ts"
import { RoomStore, StoreError } from "./RoomStore.ts"

const messageOf = (error: unknown) => error instanceof Error ? error.message : String(error)

const attempt = <A>(run: () => A): Effect.Effect<A, StoreError> =>
  Effect.try({ try: run, catch: (error) => new StoreError({ message: messageOf(error) }) })

// One process writes: it alone knows the next number of a room. The lock ends with the process, however that ends.
const setUp = `
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS messages (
    room TEXT NOT NULL, seq INTEGER NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (room, seq)
  ) WITHOUT ROWID;
  BEGIN IMMEDIATE; COMMIT;
`

const open = (directory: string, kept: number) =>
  Effect.gen(function*() {
    const refuse = (error: unknown) => CommandError.failure({ message: `--data ${directory}: ${messageOf(error)}` })
    const { DatabaseSync } = yield* Effect.tryPromise({
      try: () => import("node:sqlite"),
      catch: () => CommandError.failure({ message: "--data needs Node 22.13 or newer, for node:sqlite" })
    })
    yield* Effect.tryPromise({ try: () => mkdir(directory, { recursive: true }), catch: refuse })
    const db = yield* Effect.acquireRelease(
      Effect.try({ try: () => new DatabaseSync(join(directory, "rooms.sqlite")), catch: refuse }),
      (db) => Effect.sync(() => db.close())
    )
    yield* Effect.try({ try: () => db.exec(setUp), catch: refuse })
    const insert = db.prepare("INSERT INTO messages (room, seq, name, text, at) VALUES (?, ?, ?, ?, ?)")
    const forget = db.prepare("DELETE FROM messages WHERE room = ? AND seq <= ?")
    const select = db.prepare(
      "SELECT seq, name, text, at FROM messages WHERE room = ? AND seq > ? ORDER BY seq LIMIT ?"
    )
    const lasts = db.prepare("SELECT room, max(seq) AS last FROM messages GROUP BY room")

    const commit = (messages: ReadonlyArray<Said>) => {
      db.exec("BEGIN")
      try {
        const last = new Map<string, number>()
        for (const { at, name, room, seq, text } of messages) {
          insert.run(room, seq, name, text, at)
          last.set(room, seq)
        }
        for (const [room, seq] of last) forget.run(room, seq - kept)
        db.exec("COMMIT")
      } catch (error) {
        // SQLite has ended it by itself where the disk is full.
        if (db.isTransaction) db.exec("ROLLBACK")
        throw error
      }
    }
    return RoomStore.of({
      commit: (messages) => attempt(() => commit(messages)),
      read: (room, after, limit) =>
        attempt(() =>
          select.all(room, after, limit).map(({ at, name, seq, text }): Said => ({
            _tag: "Said",
            room,
            seq: Number(seq),
            name: String(name),
            text: String(text),
            at: Number(at)
          }))
        ),
      lasts: attempt(() => lasts.all().map(({ last, room }) => [String(room), Number(last)] as const))
    })
  })

/** In `rooms.sqlite` in the directory, which is made; `kept` messages a room. */
export const layer = (directory: string, kept: number): Layer.Layer<RoomStore, CommandError.CommandError> =>
  Layer.effect(RoomStore, open(directory, kept))
