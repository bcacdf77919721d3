import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Said } from "./Messages.ts"

/** The history could not be written or read. */
export class StoreError extends Data.TaggedError("StoreError")<{ readonly message: string }> {}

/** The history of the rooms. */
export class RoomStore extends Context.Service<RoomStore, {
  /** Keeps all of them or none, and forgets what is older than a room may keep; they are safe when it succeeds. */
  readonly commit: (messages: ReadonlyArray<Said>) => Effect.Effect<void, StoreError>
  /** The first `limit` messages above a number. */
  readonly read: (room: string, after: number, limit: number) => Effect.Effect<ReadonlyArray<Said>, StoreError>
  /** The rooms that have messages, with the number of the last one. */
  readonly lasts: Effect.Effect<ReadonlyArray<readonly [room: string, last: number]>, StoreError>
}>()("framewire/rooms/RoomStore") {}

/** In memory, `kept` messages a room. */
export const layerMemory = (kept: number): Layer.Layer<RoomStore> =>
  Layer.sync(RoomStore, () => {
    const rooms = new Map<string, Array<Said>>()
    const of = (room: string) => rooms.get(room) ?? []
    return {
      commit: (messages) =>
        Effect.sync(() => {
          for (const message of messages) {
            const all = of(message.room)
            all.push(message)
            // Twice as many at most, so that a message costs no shift of all.
            if (all.length >= 2 * kept) all.splice(0, all.length - kept)
            rooms.set(message.room, all)
          }
        }),
      read: (room, after, limit) =>
        Effect.sync(() => of(room).slice(-kept).filter(({ seq }) => seq > after).slice(0, limit)),
      lasts: Effect.sync(() => Array.from(rooms, ([room, all]) => [room, all.at(-1)?.seq ?? 0] as const))
    }
  })
