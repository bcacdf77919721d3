/**
 * Socket activation: systemd opens the listening sockets, keeps them over restarts, and passes them as descriptors, 3 and
 * on. No client is refused while the service restarts.
 *
 * **Example** (activated by systemd, or else on a port of its own)
 *
 * ```ts
 * import { Transport } from "@framewire/core"
 * import { SocketActivation } from "@framewire/core/node"
 * import { Effect } from "effect"
 *
 * const listen = Effect.gen(function*() {
 *   const fd = yield* SocketActivation.descriptors.pipe(
 *     Effect.map(([first]) => first.fd),
 *     Effect.catchReason("SocketActivationError", "NotActivated", () => Effect.succeed(undefined))
 *   )
 *   return yield* Transport.listen({ host: "::", port: 8888 }, { fd })
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"

/**
 * A descriptor that was passed: `fd` is for `ListenOptions`, the name is the socket unit's `FileDescriptorName`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Descriptor {
  readonly fd: number
  readonly name: string | undefined
}

/**
 * Nothing was passed: `LISTEN_FDS` or `LISTEN_PID` is not set, or it is 0 descriptors.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NotActivated extends Data.TaggedError("NotActivated") {
  override readonly message = "no descriptor was passed to this process"
}

/**
 * The descriptors are meant for the process `meantFor`: the variables were inherited, the descriptors were not. A wrapper
 * that starts Node without `exec` does this.
 *
 * @category reasons
 * @since 0.1.0
 */
export class OtherProcess extends Data.TaggedError("OtherProcess")<{
  readonly meantFor: number
  readonly pid: number
}> {
  override get message(): string {
    return `the descriptors are meant for process ${this.meantFor}, this is ${this.pid}`
  }
}

/**
 * A variable is not a number, or counts more descriptors than there can be.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Malformed extends Data.TaggedError("Malformed")<{ readonly variable: string; readonly value: string }> {
  override get message(): string {
    return `${this.variable} is ${JSON.stringify(this.value)}`
  }
}

/**
 * There is no descriptor to listen on.
 *
 * @category errors
 * @since 0.1.0
 */
export class SocketActivationError extends Data.TaggedError("SocketActivationError")<{
  readonly reason: NotActivated | OtherProcess | Malformed
}> {
  override get message(): string {
    return `no socket activation: ${this.reason.message}`
  }
}

// SD_LISTEN_FDS_START
const firstDescriptor = 3
// Far above what a unit has; it bounds the array that a wrong variable makes.
const maxDescriptors = 1024

const fail = (reason: SocketActivationError["reason"]) => Result.fail(new SocketActivationError({ reason }))

/**
 * Reads the variables of sd_listen_fds(3).
 *
 * ```text
 * IN  LISTEN_PID=77 LISTEN_FDS=2 LISTEN_FDNAMES=http:admin, pid 77
 * OUT [{ fd: 3, name: "http" }, { fd: 4, name: "admin" }]
 * ```
 *
 * **Limits**: 1024 descriptors.
 *
 * **Errors**: `SocketActivationError`, with the reason `NotActivated`, `OtherProcess` or `Malformed`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromEnvironment = (
  environment: { readonly [name: string]: string | undefined },
  pid: number
): Result.Result<Arr.NonEmptyReadonlyArray<Descriptor>, SocketActivationError> => {
  const { LISTEN_FDNAMES: names, LISTEN_FDS: count, LISTEN_PID: meantFor } = environment
  if (count === undefined || meantFor === undefined) return fail(new NotActivated())
  if (!/^[1-9]\d{0,9}$/.test(meantFor)) return fail(new Malformed({ variable: "LISTEN_PID", value: meantFor }))
  if (Number(meantFor) !== pid) return fail(new OtherProcess({ meantFor: Number(meantFor), pid }))
  if (!/^\d{1,4}$/.test(count) || Number(count) > maxDescriptors) {
    return fail(new Malformed({ variable: "LISTEN_FDS", value: count }))
  }
  const name = names?.split(":")
  const descriptors = Array.from({ length: Number(count) }, (_, i): Descriptor => ({
    fd: firstDescriptor + i,
    name: name?.[i]
  }))
  return Arr.isArrayNonEmpty(descriptors) ? Result.succeed(descriptors) : fail(new NotActivated())
}

/**
 * What was passed to this process, in the order of the socket unit.
 *
 * **Errors**: `SocketActivationError`, with the reason `NotActivated`, `OtherProcess` or `Malformed`.
 *
 * @category operations
 * @since 0.1.0
 */
export const descriptors: Effect.Effect<Arr.NonEmptyReadonlyArray<Descriptor>, SocketActivationError> = Effect.suspend(
  () => Effect.fromResult(fromEnvironment(process.env, process.pid))
)
