// The rooms in PostgreSQL. The number of a message is given by the row of its room, under its lock: two nodes that both
// think that a room is theirs get different numbers. A message has an id too, so that saying it again says it once.
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type * as SqlError from "effect/sql/SqlError"
import type { RoomInfo, Said } from "./Messages.ts"
import { keyOf } from "./RoomBus.ts"
import { StoreError } from "./RoomStore.ts"

/** Who is in a room, by a seat that nobody else has, at a node. */
export interface Member {
  readonly node: string
  readonly seat: string
  readonly name: string
}

interface Utterance {
  readonly id: string
  readonly name: string
  readonly text: string
}

interface Kept {
  readonly seq: number
  readonly isNew: boolean
}

/** Each is answered in 5 s, or fails; what failed may have happened. */
export interface PostgresStore {
  /** Keeps all of them or none. Gives the number that each has, by its id: what was kept before keeps its own. */
  readonly commit: (
    room: string,
    utterances: ReadonlyArray<Utterance>,
    at: number
  ) => Effect.Effect<ReadonlyMap<string, Kept>, StoreError>
  /** The first `limit` messages above a number. */
  readonly read: (room: string, after: number, limit: number) => Effect.Effect<ReadonlyArray<Said>, StoreError>
  /** The number of the last message. */
  readonly last: (room: string) => Effect.Effect<number, StoreError>
  /** At these nodes, or at all. */
  readonly members: (room: string, nodes?: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Member>, StoreError>
  readonly enter: (room: string, member: Member) => Effect.Effect<void, StoreError>
  readonly leave: (room: string, seats: ReadonlyArray<string>) => Effect.Effect<void, StoreError>
  /** Whether the room exists, or there are fewer than so many. */
  readonly admits: (room: string, rooms: number) => Effect.Effect<boolean, StoreError>
  /** With the members at these nodes. */
  readonly rooms: (nodes: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<RoomInfo>, StoreError>
  /** Nobody is at this node. */
  readonly forget: (node: string) => Effect.Effect<void, StoreError>
}

/** In PostgreSQL `json`, which unlike `text` holds U+0000. */
const Body = Schema.fromJsonString(Schema.Struct({ name: Schema.String, text: Schema.String, at: Schema.Int }))
const encodeBody = Schema.encodeSync(Body)
const decodeBody = Schema.decodeSync(Body)

const maxInt4 = 2_147_483_647

/** What went wrong in the end: an error of Effect's says what was attempted, and has the one that says why. */
export const messageOf = (error: unknown): string => {
  if (!Predicate.isObject(error)) return String(error)
  const inner = Predicate.hasProperty(error, "cause") && error.cause !== undefined
    ? messageOf(error.cause)
    : Predicate.hasProperty(error, "reason")
    ? messageOf(error.reason)
    : ""
  return inner === "" && Predicate.hasProperty(error, "message") ? String(error.message) : inner
}

export const make = (kept: number): Effect.Effect<PostgresStore, StoreError, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const attempt = <A>(query: Effect.Effect<A, SqlError.SqlError>) =>
      Effect.interruptible(query).pipe(
        Effect.mapError((error) => new StoreError({ message: messageOf(error) })),
        Effect.timeoutOrElse({
          duration: "5 seconds",
          orElse: () => Effect.fail(new StoreError({ message: "no answer from PostgreSQL in 5 s" }))
        })
      )

    // Nodes that start together would make the same table twice.
    yield* attempt(sql.withTransaction(Effect.gen(function*() {
      yield* sql`SELECT pg_advisory_xact_lock(hashtext('framewire rooms'))`
      yield* sql`CREATE TABLE IF NOT EXISTS framewire_rooms (room text PRIMARY KEY, last integer NOT NULL)`
      yield* sql`CREATE TABLE IF NOT EXISTS framewire_messages (
        room text, seq integer, id text NOT NULL, said json NOT NULL, at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (room, seq), UNIQUE (room, id)
      )`
      yield* sql`CREATE TABLE IF NOT EXISTS framewire_members (
        room text, key text, name text NOT NULL, node text NOT NULL, seat text NOT NULL, PRIMARY KEY (room, key)
      )`
    })))

    const commit = (room: string, utterances: ReadonlyArray<Utterance>, at: number) => {
      const asked = JSON.stringify(
        utterances.map(({ id, name, text }, nth) => ({ nth, id, said: encodeBody({ name, text, at }) }))
      )
      // What a room keeps no longer stays for a minute more: until then it may be said again.
      return sql<Kept & { readonly id: string }>`
        WITH asked AS (
          SELECT * FROM json_to_recordset(${asked}::text::json) AS it (nth integer, id text, said text)
        ), fresh AS (
          SELECT id, said, row_number() OVER (ORDER BY nth)::integer AS n FROM asked
          WHERE NOT EXISTS (SELECT FROM framewire_messages m WHERE m.room = ${room} AND m.id = asked.id)
        ), room AS (
          INSERT INTO framewire_rooms AS it (room, last) SELECT ${room}, count(*)::integer FROM fresh
          ON CONFLICT (room) DO UPDATE SET last = it.last + EXCLUDED.last RETURNING last
        ), kept AS (
          INSERT INTO framewire_messages (room, seq, id, said)
          SELECT ${room}, room.last - (SELECT count(*)::integer FROM fresh) + n, id, said::json FROM room, fresh
          RETURNING id, seq
        ), forgotten AS (
          DELETE FROM framewire_messages WHERE room = ${room}
          AND seq <= (SELECT last FROM room) - ${kept}::integer AND at < now() - interval '1 minute'
        )
        SELECT id, seq, true AS "isNew" FROM kept
        UNION ALL SELECT m.id, m.seq, false FROM framewire_messages m JOIN asked USING (id) WHERE m.room = ${room}
      `.pipe(Effect.map((rows) => new Map(rows.map(({ id, ...kept }) => [id, kept] as const))), attempt)
    }

    return {
      commit,
      read: (room, after, limit) =>
        sql<{ readonly seq: number; readonly said: string }>`
          SELECT seq, said::text FROM framewire_messages WHERE room = ${room}
          AND seq > ${Math.min(after, maxInt4)}::integer
          AND seq > (SELECT last FROM framewire_rooms WHERE room = ${room}) - ${kept}::integer
          ORDER BY seq LIMIT ${limit}::integer
        `.pipe(
          Effect.map((rows) => rows.map(({ said, seq }): Said => ({ _tag: "Said", room, seq, ...decodeBody(said) }))),
          attempt
        ),
      last: (room) =>
        sql<{ readonly last: number }>`SELECT last FROM framewire_rooms WHERE room = ${room}`.pipe(
          Effect.map(([row]) => row?.last ?? 0),
          attempt
        ),
      members: (room, nodes) =>
        sql<Member>`SELECT node, seat, name FROM framewire_members WHERE room = ${room} ORDER BY name`.pipe(
          Effect.map((members) => nodes === undefined ? members : members.filter(({ node }) => nodes.includes(node))),
          attempt
        ),
      enter: (room, { name, node, seat }) =>
        sql`
          WITH room AS (
            INSERT INTO framewire_rooms (room, last) VALUES (${room}, 0) ON CONFLICT DO NOTHING
          )
          INSERT INTO framewire_members (room, key, name, node, seat)
          VALUES (${room}, ${keyOf(name)}, ${name}, ${node}, ${seat})
          ON CONFLICT (room, key) DO UPDATE SET name = EXCLUDED.name, node = EXCLUDED.node, seat = EXCLUDED.seat
        `.pipe(Effect.asVoid, attempt),
      leave: (room, seats) =>
        Effect.andThen(
          sql`
            DELETE FROM framewire_members
            WHERE room = ${room} AND seat IN (SELECT json_array_elements_text(${JSON.stringify(seats)}::text::json))
          `,
          // A room is its members and its messages.
          sql`
            DELETE FROM framewire_rooms WHERE room = ${room} AND last = 0
            AND NOT EXISTS (SELECT FROM framewire_members WHERE room = ${room})
          `
        ).pipe(Effect.asVoid, attempt),
      admits: (room, rooms) =>
        sql<{ readonly admits: boolean }>`
          SELECT EXISTS (SELECT FROM framewire_rooms WHERE room = ${room})
          OR (SELECT count(*) FROM framewire_rooms) < ${rooms}::integer AS admits
        `.pipe(Effect.map(([row]) => row?.admits === true), attempt),
      rooms: (nodes) =>
        sql<RoomInfo>`
          SELECT room, last, (
            SELECT count(*)::integer FROM framewire_members m WHERE m.room = it.room
            AND node IN (SELECT json_array_elements_text(${JSON.stringify(nodes)}::text::json))
          ) AS members FROM framewire_rooms it ORDER BY room
        `.pipe(attempt),
      forget: (node) =>
        Effect.andThen(
          sql`DELETE FROM framewire_members WHERE node = ${node}`,
          sql`
            DELETE FROM framewire_rooms it WHERE last = 0
            AND NOT EXISTS (SELECT FROM framewire_members m WHERE m.room = it.room)
          `
        ).pipe(Effect.asVoid, attempt)
    }
  })
