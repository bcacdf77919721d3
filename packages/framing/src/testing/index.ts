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
