// Connecting with node:net.
import * as Effect from "effect/Effect"
import * as Net from "node:net"
import type * as Address from "../../Address.ts"
import type { ConnectOptions } from "../../Transport.ts"
import { type Attempt, ConnectError } from "../../TransportError.ts"
import * as TransportReason from "../../TransportReason.ts"
import { addressesOf, endpointProblem } from "./endpoint.ts"
import { NodeConnection, settings, timerMillis } from "./NodeConnection.ts"

const addressOf = (cause: unknown, asked: Address.Address): Address.Address =>
  cause instanceof Error && "address" in cause && typeof cause.address === "string" &&
    "port" in cause && typeof cause.port === "number"
    ? { host: cause.address, port: cause.port }
    : asked

/** A name with several addresses fails with all of them in one AggregateError, whose own message is empty. */
const attemptsOf = (cause: unknown, asked: Address.Address): ReadonlyArray<Attempt> =>
  (cause instanceof AggregateError ? cause.errors : [cause]).map((each) => ({
    remote: addressOf(each, asked),
    reason: TransportReason.fromCause(each)
  }))

export const dial = (
  remote: Address.Address,
  options: ConnectOptions = {}
): Effect.Effect<NodeConnection, ConnectError> =>
  Effect.callback((resume) => {
    const fail = (reason: TransportReason.TransportReason, attempts: ReadonlyArray<Attempt>) =>
      resume(Effect.fail(new ConnectError({ reason, remote, attempts })))
    const problem = endpointProblem(remote)
    if (problem !== undefined) return fail(problem, [])

    const afterMillis = timerMillis(options.timeout ?? "5 seconds")
    const connectionSettings = settings(options)
    const socket = Net.connect({ ...remote, ...connectionSettings.socket })
    // Only where every attempt has failed does the error tell of each.
    const tried = new Map<string, Omit<Attempt, "reason"> & Partial<Attempt>>()
    const onAttempt = (host: string, port: number, _family: number, cause?: Error) =>
      tried.set(host, {
        remote: { host, port },
        ...(cause === undefined ? undefined : { reason: TransportReason.fromCause(cause) })
      })
    socket.on("connectionAttempt", onAttempt)
    socket.on("connectionAttemptFailed", onAttempt)
    // Not Effect's clock: the kernel's time is real, also under TestClock.
    const deadline = setTimeout(() => {
      socket.destroy()
      const reason = new TransportReason.TimedOut({ afterMillis })
      fail(reason, Array.from(tried.values(), (attempt) => ({ reason, ...attempt })))
    }, afterMillis)
    const onError = (cause: unknown) => {
      clearTimeout(deadline)
      const attempts = attemptsOf(cause, remote)
      fail(attempts[0]?.reason ?? TransportReason.fromCause(cause), attempts)
    }
    socket.on("error", onError)
    socket.once("connect", () => {
      clearTimeout(deadline)
      socket.off("error", onError).off("connectionAttempt", onAttempt).off("connectionAttemptFailed", onAttempt)
      resume(Effect.succeed(new NodeConnection(socket, addressesOf(socket, remote), connectionSettings)))
    })
    return Effect.sync(() => {
      clearTimeout(deadline)
      socket.destroy()
    })
  })
