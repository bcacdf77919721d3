// What is asked: the sum of three numbers, as JSON in lines.
import { Codec, Lines, Protocol } from "@framewire/framing"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"

export const Numbers = Schema.Struct({ numbers: Schema.Array(Schema.Finite) })
export const Total = Schema.Struct({ total: Schema.Finite })
export type Numbers = typeof Numbers.Type
export type Total = typeof Total.Type

export const sum = ({ numbers }: Numbers): Total => ({ total: numbers.reduce((total, each) => total + each, 0) })

export const request = (i: number): Numbers => ({ numbers: [i, i + 1, 40] })

/** For ours. */
export const protocol = Protocol.make({
  request: Codec.json(Numbers)(Lines.make()),
  response: Codec.json(Total)(Lines.make())
})

/** For effect/rpc. */
export const Group = RpcGroup.make(
  Rpc.make("Sum", { payload: { numbers: Schema.Array(Schema.Finite) }, success: Total })
)
