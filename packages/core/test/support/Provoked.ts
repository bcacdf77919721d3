// A program: does what its argument asks for, all at once, and prints how each of it failed. It runs in a network and
// under limits that no other test may have.
import { type Address, Transport, type TransportError, type TransportReason } from "@framewire/core"
import { NodeTransport } from "@framewire/core/node"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFile } from "node:child_process"
import { promises } from "node:dns"
import { openSync } from "node:fs"
import { promisify } from "node:util"
import * as Raw from "./Raw.ts"

type Options = Transport.ConnectOptions

/** What to try. Of the last two, which are on a connection that stands, the fault comes before they are tried. */
export type Order =
  | { readonly listen: Address.Address }
  | { readonly connect: Address.Address; readonly options?: Options | undefined }
  | { readonly receive: Address.Address; readonly fault: Fault; readonly options?: Options | undefined }
  | { readonly send: Address.Address; readonly fault: Fault }

/** What breaks a connection: something for the shell, or what the peer does. */
export type Fault = { readonly shell: string } | { readonly peer: "destroy" | "resetAndDestroy" }

export interface Answer {
  readonly error: TransportError.TransportError["_tag"]
  readonly reason: TransportReason.TransportReason["_tag"]
  readonly code: string | null
  readonly retry: TransportReason.Retry
}

const answer = ({ _tag, code, reason, retry }: TransportError.TransportError): Answer => ({
  error: _tag,
  reason: reason._tag,
  code: code ?? null,
  retry
})

const broken = (at: Address.Address, fault: Fault, options?: Options) =>
  Effect.gen(function*() {
    const server = yield* Raw.listen({ at, reads: false })
    const connection = yield* Transport.connect(server.address, { linger: 0, ...options })
    const peer = yield* server.next
    if ("peer" in fault) peer.socket[fault.peer]()
    else yield* Effect.promise(() => promisify(execFile)("sh", ["-c", fault.shell]))
    return connection
  })

const follow = (
  order: Order
): Effect.Effect<unknown, TransportError.TransportError | Cause.Done, Scope.Scope | Transport.Transport> => {
  if ("listen" in order) return Transport.listen(order.listen)
  if ("connect" in order) return Transport.connect(order.connect, { ...order.options })
  if ("receive" in order) {
    return Effect.flatMap(broken(order.receive, order.fault, order.options), ({ receive }) => receive)
  }
  // The kernel takes some before it hears of the fault.
  return Effect.flatMap(
    broken(order.send, order.fault),
    (connection) => Effect.forever(Effect.andThen(connection.send(new Uint8Array(1)), Effect.sleep("10 millis")))
  )
}

const [, , orders = "[]", descriptors] = process.argv
const asked: ReadonlyArray<Order> = JSON.parse(orders)
if (descriptors === "exhausted") {
  // A resolver that has not read its files yet says that there is no such name.
  await promises.lookup("localhost").catch(() => {})
  // The limit is low, and nothing gives them back.
  try {
    for (;;) openSync("/dev/null", "r")
  } catch {}
}
const answers = Effect.forEach(
  asked,
  (order) =>
    follow(order).pipe(
      Effect.timeout("15 seconds"),
      Effect.match({
        onSuccess: () => "no error",
        onFailure: (error) => "reason" in error ? answer(error) : Cause.isDone(error) ? "end" : "hangs"
      }),
      Effect.scoped
    ),
  { concurrency: "unbounded" }
)
console.log(JSON.stringify(await Effect.runPromise(Effect.provide(answers, NodeTransport.layer))))
process.exit()
