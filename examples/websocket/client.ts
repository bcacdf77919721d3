import { EffectSocket } from "@framewire/core"
import { Framed } from "@framewire/framing"
import * as Effect from "effect/Effect"
import * as Socket from "effect/socket/Socket"
import { protocol } from "./protocol.ts"

const place = { host: "127.0.0.1", port: 0 }

/** Asks for the total of each list, all at once, and gives the totals in order. */
export const totals = (url: string, ...lists: ReadonlyArray<ReadonlyArray<number>>): Promise<ReadonlyArray<number>> =>
  Effect.gen(function*() {
    const socket = yield* Socket.makeWebSocket(url)
    const connection = yield* EffectSocket.fromSocket(socket, { local: place, remote: place, halfClose: "none" })
    const framed = Framed.make(connection, protocol.client)
    yield* framed.sendAll(lists)
    const answers = yield* Effect.forEach(lists, () => framed.receive)
    return answers.map(({ total }) => total)
  }).pipe(Effect.scoped, Effect.provide(Socket.layerWebSocketConstructorGlobal), Effect.runPromise)
