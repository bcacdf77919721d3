/**
 * The laws of codecs, for anyone's codec, and what a connection received as a vector for tests.
 *
 * @since 0.1.0
 */

/**
 * What every codec has to keep, as data.
 *
 * @since 0.1.0
 */
export * as CodecLaws from "./CodecLaws.ts"

/**
 * What a live connection received, as a vector.
 *
 * @since 0.1.0
 */
export * as Recorder from "./Recorder.ts"

/**
 * A stream of bytes and what a codec gives for it, as JSON.
 *
 * @since 0.1.0
 */
export * as Vector from "./Vector.ts"
