/**
 * What both ends say first, to agree on a version and on what they can do; then the protocol that follows from it.
 *
 * ```text
 * client   hello ->
 * server   <- Agreed { agreed }       then, on the same connection: speak(agreed), with its codecs and its limit
 *          <- Refused { refusal }     then FIN
 *
 * where the server speaks first, as of SMTP and MySQL
 * server   <- banner
 * client   hello ->                   which follows from the banner; or FIN, when it will have none of it
 * server   as above
 * ```
 *
 * @since 0.1.0
 */
import { type Connection, InvalidOption, type TransportError } from "@framewire/core"
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
export type Greeting<Hello, Agreed, Refusal, Req, Res, Err = never, P = never> =
  | ClientFirst<Hello, Agreed, Refusal, Req, Res, Err, P>
  | ServerFirst<Hello, Agreed, Refusal, Req, Res, Err, P>

interface Common<
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
  readonly speak: (agreed: Agreed) => Exchange<Req, Res, Err, P>
}

/**
 * The client says hello as soon as it is connected.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientFirst<
  in out Hello,
  in out Agreed,
  in out Refusal,
  in out Req,
  in out Res,
  in out Err = never,
  in out P = never
> extends Common<Hello, Agreed, Refusal, Req, Res, Err, P> {
  /** What the client says. */
  readonly offer: Hello
  /** What the server makes of it. */
  readonly agree: (hello: Hello) => Result.Result<Agreed, Refusal>
}

/**
 * The client waits for the server's banner. `open` shows what belongs to that, whose type is the greeting's own affair.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerFirst<
  in out Hello,
  in out Agreed,
  in out Refusal,
  in out Req,
  in out Res,
  in out Err = never,
  in out P = never
> extends Common<Hello, Agreed, Refusal, Req, Res, Err, P> {
  readonly open: <A>(use: <Banner>(opening: Opening<Banner, Hello, Agreed, Refusal>) => A) => A
}

/**
 * What is said before the hello, and what it means for that.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opening<in out Banner, in out Hello, in out Agreed, in out Refusal> {
  readonly banner: Codec.Codec<Banner>
  /** What the server says, made anew for each connection. */
  readonly announce: Effect.Effect<Banner>
  /** What the client says to it, or why it leaves. */
  readonly offer: (banner: Banner) => Result.Result<Hello, Refusal>
  /** What the server makes of it. */
  readonly agree: (hello: Hello, banner: Banner) => Result.Result<Agreed, Refusal>
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
  greeting: ClientFirst<Hello, Agreed, Refusal, Req, Res, Err, P>
): ClientFirst<Hello, Agreed, Refusal, Req, Res, Err, P> => greeting

/**
 * A greeting that the server begins, such as with its version, or a number that a password is hashed with.
 *
 * @category constructors
 * @since 0.1.0
 */
export const serverFirst = <Banner, Hello, Agreed, Refusal, Req, Res, Err = never, P = never>(
  { announce, agree, banner, offer, ...common }:
    & Common<Hello, Agreed, Refusal, Req, Res, Err, P>
    & Opening<Banner, Hello, Agreed, Refusal>
): ServerFirst<Hello, Agreed, Refusal, Req, Res, Err, P> => ({
  ...common,
  open: (use) => use({ announce, agree, banner, offer })
})

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
): Effect.Effect<A, Refusal | GreetingError> => {
  InvalidOption.check({ greetingTimeout }, { greetingTimeout: InvalidOption.duration })
  return greeting.pipe(
    Effect.timeoutOrElse({
      duration: greetingTimeout,
      orElse: () => Effect.fail(new NoGreeting({ by: "time" }))
    }),
    Effect.mapError((error) =>
      new GreetingError({ reason: Cause.isDone(error) ? new NoGreeting({ by: "peer" }) : error })
    ),
    Effect.flatMap(Effect.fromResult)
  )
}

/**
 * Greets as the client: says the offer, behind the banner where there is one, and speaks what was agreed on.
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
      const codec = Codec.duplex(greeting.welcome, greeting.hello)
      const [hello, framed] = "open" in greeting
        ? yield* greeting.open(({ banner, offer }) =>
          Effect.gen(function*() {
            const first = Framed.make(connection, Codec.duplex(banner, greeting.hello), options)
            const hello = offer(yield* first.receive)
            return [hello, yield* first.switchTo(codec)] as const
          })
        )
        : [Result.succeed(greeting.offer), Framed.make(connection, codec, options)] as const
      if (Result.isFailure(hello)) return Result.fail(hello.failure)
      yield* framed.send(hello.success)
      const welcome = yield* framed.receive
      if (welcome._tag === "Refused") return Result.fail(welcome.refusal)
      const exchange = greeting.speak(welcome.agreed)
      return Result.succeed({ exchange, framed: yield* framed.switchTo(exchange.client) })
    }),
    options
  )

/**
 * Greets as the server: says the banner where there is one, answers the client's hello, and speaks what was agreed on.
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
      const codec = Codec.duplex(greeting.hello, greeting.welcome)
      const [agree, framed] = "open" in greeting
        ? yield* greeting.open(({ agree, announce, banner }) =>
          Effect.gen(function*() {
            const said = yield* announce
            const first = Framed.make(connection, Codec.duplex(greeting.hello, banner), options)
            yield* first.send(said)
            return [(hello: Hello) => agree(hello, said), yield* first.switchTo(codec)] as const
          })
        )
        : [greeting.agree, Framed.make(connection, codec, options)] as const
      const result = agree(yield* framed.receive)
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
