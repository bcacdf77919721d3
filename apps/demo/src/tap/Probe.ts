// A tap within a server: what a handler receives and sends is watched, and how its connections live.
//
//   client -- receive, lendEach ... --> handler        each batch, as it is handed over
//          <-- send, sendAllUnsafe ... --              each write, as it is asked for
import { Address, Delegate } from "@framewire/core"
import type { Codec } from "@framewire/framing"
import type { Handler, Server } from "@framewire/server"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as CloseText from "./CloseText.ts"
import type { Hub } from "./Hub.ts"
import type { Side } from "./TapEvent.ts"
import type { Watch } from "./Watch.ts"
import { Watcher } from "./Watcher.ts"

export interface Door {
  readonly name: string
  /** What each side's frames are. */
  readonly framings: Readonly<Record<Side, Codec.Framing>>
}

/** The handler, watched. */
export const watching = <E extends { readonly _tag: string; readonly message: string }, R>(
  watch: Watch,
  { framings, name }: Door,
  handler: Handler.Handler<E, R>
): Handler.Handler<E, R> =>
(connection) =>
  Effect.suspend(() => {
    const { hub } = watch
    const { id, remote } = connection
    const watchers = {
      client: new Watcher(watch, id, "client", framings.client),
      server: new Watcher(watch, id, "server", framings.server)
    }
    const finBy = (by: Side) => {
      watchers[by].end()
      hub.tell({ _tag: "HalfClosed", connection: id, by })
    }
    hub.tell({ _tag: "Accepted", connection: id, client: remote, door: name })
    hub.tell({ _tag: "Dialled", connection: id })
    const observed = Delegate.observe(connection, {
      received: (batch) => watchers.client.see(batch),
      sent: (chunks) => watchers.server.see(chunks),
      ended: () => finBy("client")
    })
    return handler(observed).pipe(
      Effect.tapError((error) =>
        Effect.sync(() => {
          // What is wrong with frames the watcher has seen itself; how a connection breaks, its end tells.
          if (!/^(Frame|Receive|Send)Error$/.test(error._tag)) {
            hub.tell({ _tag: "Trouble", connection: id, from: "client", error: error._tag, message: error.message })
          }
        })
      ),
      Effect.ensuring(Effect.flatMap(connection.state, ({ _tag }) => {
        // The server closes it now, gracefully.
        if (_tag === "Open" || _tag === "ReadClosed") finBy("server")
        watchers.client.free()
        watchers.server.free()
        const end = Effect.map(connection.closed, (reason) =>
          hub.tell({ _tag: "Closed", connection: id, client: CloseText.of(reason, "the server") }))
        return Effect.forkDetach(end)
      }))
    )
  })

/** Tells where a server listens, and what it does to clients beside its handler, until the scope closes. */
export const follow = (
  hub: Hub,
  { name }: Pick<Door, "name">,
  { address, events }: Server.Server["Service"]
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.suspend(() => {
    hub.tell({ _tag: "Listening", address, door: name })
    const trouble = (error: string, connection: number, message: string) =>
      hub.tell({ _tag: "Trouble", connection, from: "client", error, message })
    return Effect.asVoid(Effect.forkScoped(Stream.runForEach(events, (event) =>
      Effect.sync(() => {
        switch (event._tag) {
          case "Rejected": {
            const why = event.error?.message ?? event.reason
            return trouble(event._tag, event.id ?? 0, `${Address.format(event.client)}: ${why}`)
          }
          case "Dropped":
            return trouble(event._tag, event.id, `${event.messages} messages, ${event.reason}`)
          case "Exceeded":
            return trouble(event._tag, event.id, `${event.which}, after ${event.afterMillis} ms`)
        }
      }))))
  })
