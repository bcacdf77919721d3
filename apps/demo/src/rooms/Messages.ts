// What is said over the typed door: the one place that the server and its clients take it from.
//
// +--------------+----------------------------------------------------+
// | size, u32 be | Request, Cancel | Response, Failure, Push ... (binary) |
// +--------------+----------------------------------------------------+
import { Codec, LengthPrefixed, Protocol } from "@framewire/framing"
import * as Schema from "effect/Schema"

/** A message of a room: `seq` counts from 1 in each room, `at` is in milliseconds since 1970. */
export const Said = Schema.TaggedStruct("Said", {
  room: Schema.String,
  seq: Schema.Int,
  name: Schema.String,
  text: Schema.String,
  at: Schema.Int
})
export type Said = typeof Said.Type

const Joined = Schema.TaggedStruct("Joined", { room: Schema.String, name: Schema.String })

/** `slow`: more waited for it than may. `gone`: its connection ended. */
export const Why = Schema.Literals(["left", "slow", "gone"])
export type Why = typeof Why.Type

const Left = Schema.TaggedStruct("Left", { room: Schema.String, name: Schema.String, why: Why })

/** What happens in a room, in the order in which it happens. */
export const RoomEvent = Schema.Union([Said, Joined, Left])
export type RoomEvent = typeof RoomEvent.Type

/** What was asked for cannot be; the connection goes on. */
export class Refused extends Schema.TaggedError<Refused>("framewire/rooms/Refused")("Refused", {
  reason: Schema.Literals([
    "BadName",
    "BadRoom",
    "BadText",
    "NameTaken",
    "RoomFull",
    "TooManyRooms",
    "NotJoined",
    "TooFast",
    "NotKept"
  ]),
  message: Schema.String
}) {}

/** `after`: the events begin with the messages above this number, as far as they are kept; without it, with the last 20. */
const Join = Schema.TaggedStruct("Join", {
  room: Schema.String,
  name: Schema.String,
  after: Schema.optionalKey(Schema.Int)
})
const Leave = Schema.TaggedStruct("Leave", { room: Schema.String })
const Say = Schema.TaggedStruct("Say", { room: Schema.String, text: Schema.String })
const Who = Schema.TaggedStruct("Who", { room: Schema.String })
/** Up to 500 messages above a number. */
const History = Schema.TaggedStruct("History", { room: Schema.String, after: Schema.Int })
const Rooms = Schema.TaggedStruct("Rooms", {})

export const Request = Schema.Union([Join, Leave, Say, Who, History, Rooms])
export type Request = typeof Request.Type

export const RoomInfo = Schema.Struct({ room: Schema.String, members: Schema.Int, last: Schema.Int })
export type RoomInfo = typeof RoomInfo.Type

export const Answer = Schema.Union([
  Schema.TaggedStruct("Done", {}),
  /** The message is kept, under this number. */
  Schema.TaggedStruct("Kept", { seq: Schema.Int }),
  Schema.TaggedStruct("Names", { names: Schema.Array(Schema.String) }),
  Schema.TaggedStruct("Messages", { messages: Schema.Array(Said) }),
  Schema.TaggedStruct("RoomList", { rooms: Schema.Array(RoomInfo) })
])
export type Answer = typeof Answer.Type

/** `Goodbye`: the server stops, and says nothing after it. */
export const Push = Schema.Union([Said, Joined, Left, Schema.TaggedStruct("Goodbye", {})])
export type Push = typeof Push.Type

const Call = Schema.Union([
  Schema.TaggedStruct("Request", { id: Schema.Int, request: Request }),
  Schema.TaggedStruct("Cancel", { id: Schema.Int })
])
const Reply = Schema.Union([
  Schema.TaggedStruct("Response", { id: Schema.Int, response: Answer }),
  Schema.TaggedStruct("Failure", { id: Schema.Int, error: Refused }),
  Schema.TaggedStruct("Cancelled", { id: Schema.Int }),
  Schema.TaggedStruct("Push", { push: Push })
])

// The client chooses numbers: an id that is not one is a client of another protocol.
const number = (id: Protocol.Id): number => {
  if (typeof id === "number") return id
  throw new Error(`an id is a number, not ${JSON.stringify(id)}`)
}

/** 64 KiB hold any request; an answer or a push may be as large as 500 messages. */
export const framings = {
  client: LengthPrefixed.u32be({ limit: 65_536 }),
  server: LengthPrefixed.u32be({ limit: 4_194_304 })
}

export const protocol: Protocol.Exchange<Request, Answer, Refused, Push> = Protocol.byId({
  call: Codec.transform(
    Codec.binary(Call)(framings.client),
    (call): Protocol.Call<Request> => call,
    (call: Protocol.Call<Request>) => ({ ...call, id: number(call.id) })
  ),
  reply: Codec.transform(
    Codec.binary(Reply)(framings.server),
    (reply): Protocol.Reply<Answer, Refused, Push> => reply,
    (reply: Protocol.Reply<Answer, Refused, Push>) => reply._tag === "Push" ? reply : { ...reply, id: number(reply.id) }
  ),
  cancels: true
})
