/**
 * What both ends say first, to agree on a version and on what they can do; then the protocol that follows from it.
 *
 * ```text
 * client   hello ->
 * server   <- Agreed { agreed }       then, on the same connection: speak(agreed), with its codecs and its limit
 *          <- Refused { refusal }     then FIN
 * ```
 *
 * @since 0.1.0
 */
import type { Connection, TransportError } from "@framewire/core"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Codec from "./Codec.ts"
import * as Framed from "./Framed.ts"
import type { Call, Exchange, Reply } from "./Protocol.ts"

/**
 * The server's answer to a hello.
 *
 * @category models
 * @since 0.1.0
 */
export type Welcome<Agreed, Refusal> =
  | { readonly _tag: "Agreed"; readonly agreed: Agreed }
  | { readonly _tag: "Refused"; readonly refusal: Refusal }

/**
 * A greeting, and what both ends speak after it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Greeting<
  in out Hello,
  in out Agreed,
  in out Refusal,
  in out Req,
  in out Res,
  in out Err = never,
  in out P = never
> {
  readonly hello: Codec.Codec<Hello>
  readonly welcome: Codec.Codec<Welcome<Agreed, Refusal>>
  /** What the client says. */
  readonly offer: Hello
  /** What the server makes of it. */
  readonly agree: (hello: Hello) => Result.Result<Agreed, Refusal>
  readonly speak: (agreed: Agreed) => Exchange<Req, Res, Err, P>
}

/**
 * How long a greeting may take, and what comes after it.
 *
 * @category options
 * @since 0.1.0
 */
export interface GreetingOptions extends Framed.FramedOptions {
  /** From the connection to the end of the greeting. Default 10 s. */
  readonly greetingTimeout?: Duration.Input
}

/**
 * The peer did not greet in time.
 *
 * @category reasons
 * @since 0.1.0
 */
export class NoGreeting extends Data.TaggedError("NoGreeting")<{ readonly by: "time" | "peer" }> {
  override get message(): string {
    return this.by === "time" ? "no greeting came in time" : "the peer closed before its greeting"
  }
}

/**
 * There was no greeting, or none that can be read. A refusal is not this: it is the error of the greeting's own type.
 *
 * @category errors
 * @since 0.1.0
 */
export class GreetingError extends Data.TaggedError("GreetingError")<{
  readonly reason: Framed.FramedError | TransportError.SendError | NoGreeting
}> {
  override get message(): string {
    return `the greeting failed: ${this.reason.message}`
  }
}

/**
 * A greeting by codecs, whose limits hold for the greeting alone.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Hello, Agreed, Refusal, Req, Res, Err = never, P = never>(
  greeting: Greeting<Hello, Agreed, Refusal, Req, Res, Err, P>
): Greeting<Hello, Agreed, Refusal, Req, Res, Err, P> => greeting

/**
 * A welcome as a schema, for `Codec.json`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Welcome = <Agreed, AgreedE, Refusal, RefusalE>(options: {
  readonly agreed: Schema.Codec<Agreed, AgreedE>
  readonly refusal: Schema.Codec<Refusal, RefusalE>
}): Schema.Codec<Welcome<Agreed, Refusal>, unknown> =>
  Schema.Union([
    Schema.TaggedStruct("Agreed", { agreed: options.agreed }),
    Schema.TaggedStruct("Refused", { refusal: options.refusal })
  ])

/**
 * What is spoken after a greeting.
 *
 * @category models
 * @since 0.1.0
 */
export interface Greeted<Req, Res, Err, P, In, Out> {
  readonly exchange: Exchange<Req, Res, Err, P>
  readonly framed: Framed.Framed<In, Out>
}

/** In time, and a refusal is the failure. */
const greeted = <A, Refusal>(
  greeting: Effect.Effect<
    Result.Result<A, Refusal>,
    Framed.FramedError | TransportError.SendError | Cause.Done
  >,
  { greetingTimeout = "10 seconds" }: GreetingOptions
): Effect.Effect<A, Refusal | GreetingError> =>
  greeting.pipe(
    Effect.timeoutOrElse({
      duration: greetingTimeout,
      orElse: () => Effect.fail(new NoGreeting({ by: "time" }))
    }),
    Effect.mapError((error) =>
      new GreetingError({ reason: Cause.isDone(error) ? new NoGreeting({ by: "peer" }) : error })
    ),
    Effect.flatMap(Effect.fromResult)
  )

/**
 * Greets as the client: says the offer, and speaks what was agreed on.
 *
 * **Errors**: the refusal, or `GreetingError`. The connection is of no more use then.
 *
 * @category running
 * @since 0.1.0
 */
export const greet = <Hello, Agreed, Refusal, Req, Res, Err, P>(
  greeting: Greeting<Hello, Agreed, Refusal, Req, Res, Err, P>,
  connection: Connection.Connection,
  options: GreetingOptions = {}
): Effect.Effect<Greeted<Req, Res, Err, P, Reply<Res, Err, P>, Call<Req>>, Refusal | GreetingError> =>
  greeted(
    Effect.gen(function*() {
      const framed = Framed.make(connection, Codec.duplex(greeting.welcome, greeting.hello), options)
      yield* framed.send(greeting.offer)
      const welcome = yield* framed.receive
      if (welcome._tag === "Refused") return Result.fail(welcome.refusal)
      const exchange = greeting.speak(welcome.agreed)
      return Result.succeed({ exchange, framed: yield* framed.switchTo(exchange.client) })
    }),
    options
  )

/**
 * Greets as the server: answers the client's hello, and speaks what was agreed on.
 *
 * **Errors**: the refusal, which the client has been told, or `GreetingError`. The connection is of no more use then.
 *
 * @category running
 * @since 0.1.0
 */
export const welcome = <Hello, Agreed, Refusal, Req, Res, Err, P>(
  greeting: Greeting<Hello, Agreed, Refusal, Req, Res, Err, P>,
  connection: Connection.Connection,
  options: GreetingOptions = {}
): Effect.Effect<Greeted<Req, Res, Err, P, Call<Req>, Reply<Res, Err, P>>, Refusal | GreetingError> =>
  greeted(
    Effect.gen(function*() {
      const framed = Framed.make(connection, Codec.duplex(greeting.hello, greeting.welcome), options)
      const result = greeting.agree(yield* framed.receive)
      if (Result.isFailure(result)) {
        yield* framed.send({ _tag: "Refused", refusal: result.failure })
        return Result.fail(result.failure)
      }
      yield* framed.send({ _tag: "Agreed", agreed: result.success })
      const exchange = greeting.speak(result.success)
      return Result.succeed({ exchange, framed: yield* framed.switchTo(exchange.server) })
    }),
    options
  )
