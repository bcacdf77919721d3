// Connecting with node:net: resolve, race, and one deadline for both.
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import * as Address from "../../Address.ts"
import * as ConnectionState from "../../ConnectionState.ts"
import { nextConnectionId } from "../../internal/connectionId.ts"
import type { LifecycleHub } from "../../internal/LifecycleHub.ts"
import type { ConnectOptions } from "../../Transport.ts"
import { type Attempt, ConnectError } from "../../TransportError.ts"
import * as TransportReason from "../../TransportReason.ts"
import { endpointProblem, endsOf } from "./endpoint.ts"
import { onread } from "./hearing.ts"
import { NodeConnection, type Origin } from "./NodeConnection.ts"
import { type Race, race } from "./race.ts"
import { type Lookup, resolve, systemLookup } from "./resolve.ts"
import { settings, timerMillis } from "./settings.ts"

// RFC 8305, section 5: no attempt starts within 10 ms of the one before it.
const minAttemptDelay = 10

const familyOf = (host: string): 4 | 6 | undefined => Net.isIPv4(host) ? 4 : Net.isIPv6(host) ? 6 : undefined

const invalid = (detail: string) => new TransportReason.InvalidAddress({ detail })

/** The family that the options leave: a socket bound to an address reaches no address of the other family. */
const familyWanted = ({ family, localAddress }: ConnectOptions): 4 | 6 | undefined =>
  family ?? (localAddress === undefined ? undefined : familyOf(localAddress.host))

/** Why no attempt could be made, or node:net would throw, or ignore what was asked. */
const problemOf = (remote: Address.Address, options: ConnectOptions): TransportReason.InvalidAddress | undefined => {
  const problem = endpointProblem(remote)
  if (problem !== undefined || Address.isUnix(remote)) return problem
  const { family, localAddress } = options
  if (localAddress !== undefined) {
    const bound = familyOf(localAddress.host)
    if (bound === undefined) return invalid("the host of the local address is not an IP address")
    if (family !== undefined && bound !== family) return invalid(`the local address is not of family ${family}`)
    const local = endpointProblem({ port: 0, ...localAddress })
    if (local !== undefined) return local
  }
  const wanted = familyWanted(options)
  const given = familyOf(remote.host)
  return given === undefined || wanted === undefined || given === wanted
    ? undefined
    : invalid(`${remote.host} is not of family ${wanted}`)
}

/**
 * The connection belongs to the caller when this succeeds; before, interruption frees every socket.
 *
 * The family and local address do not apply to the path of a Unix socket.
 */
export const dial = (
  hub: LifecycleHub,
  remote: Address.Address,
  options: ConnectOptions,
  lookup: Lookup = systemLookup
): Effect.Effect<NodeConnection, ConnectError> =>
  Effect.callback((resume) => {
    const id = nextConnectionId()
    let state: ConnectionState.ConnectionState | undefined
    const move = (to: ConnectionState.ConnectionState) => {
      hub.moved({ id, side: "dialled", local: undefined, remote }, state, to)
      state = to
    }
    const dispatch = (event: ConnectionState.ConnectionEvent) => {
      if (state !== undefined) move(ConnectionState.transition(state, event))
    }
    const fail = (reason: TransportReason.TransportReason, attempts: ReadonlyArray<Attempt>) => {
      const error = new ConnectError({ reason, remote, attempts })
      dispatch({ _tag: "Failed", error })
      dispatch({ _tag: "Released" })
      resume(Effect.fail(error))
    }
    const problem = problemOf(remote, options)
    if (problem !== undefined) return fail(problem, [])

    const { localAddress } = options
    const connectionSettings = settings(options)
    const afterMillis = timerMillis(options.timeout ?? "5 seconds")
    const delayMillis = Math.max(minAttemptDelay, timerMillis(options.attemptDelay ?? 250))
    let racing: Race | undefined
    let over = false
    let resolving: void | (() => void)
    const end = () => {
      over = true
      clearTimeout(deadline)
      if (typeof resolving === "function") resolving()
    }
    // Not Effect's clock: the kernel's time is real, also under TestClock.
    const deadline = setTimeout(() => {
      end()
      const reason = new TransportReason.TimedOut({ afterMillis })
      fail(reason, racing?.cancel(reason) ?? [])
    }, afterMillis)

    const start = (remotes: ReadonlyArray<Address.Address>) => {
      racing = race({
        remotes,
        delayMillis,
        open: (each) =>
          Net.connect({
            ...each,
            ...connectionSettings.socket,
            onread,
            ...(localAddress === undefined
              ? undefined
              : { localAddress: localAddress.host, localPort: localAddress.port ?? 0 })
          }),
        onWinner: (socket, reached) => {
          end()
          const host = Address.isUnix(remote) ? "localhost" : remote.host
          const origin: Origin = { side: "dialled", host, settings: connectionSettings, draining: Effect.never, hub }
          const connection = new NodeConnection(id, socket, endsOf(socket, reached), origin)
          hub.moved(connection, state, ConnectionState.open)
          resume(Effect.succeed(connection))
        },
        onLost: (attempts) => {
          end()
          fail(attempts[0]!.reason, attempts)
        }
      })
    }

    if (Address.isUnix(remote) || familyOf(remote.host) !== undefined) {
      move(ConnectionState.connecting)
      start([remote])
    } else {
      const { host: name, port } = remote
      move(ConnectionState.resolving)
      resolving = resolve(lookup, name, familyWanted(options), (result) => {
        // A late answer, or a second one.
        if (over || racing !== undefined) return
        if ("_tag" in result) {
          end()
          fail(result, [{ remote, reason: result }])
        } else {
          dispatch({ _tag: "Resolved" })
          start(result.map((host) => ({ host, port })))
        }
      })
    }
    return Effect.sync(() => {
      end()
      racing?.cancel(new TransportReason.ConnectionClosed({}))
      dispatch({ _tag: "Abort" })
      dispatch({ _tag: "Released" })
    })
  })
