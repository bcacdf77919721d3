/**
 * Any codec as a pair of the web's transform streams, which browsers, Node, Deno and Bun have alike.
 *
 * ```text
 * readable.pipeThrough(WebStream.decode(codec))                                   the web
 * readable.pipe(Duplex.fromWeb(WebStream.decode(codec), { objectMode: true }))    node:stream
 * Duplex.fromWeb(WebStream.encode(codec), { objectMode: true }).pipe(socket)
 * ```
 *
 * A stream that has failed is over, as the web has it: after a `MessageError`, too. Streams of Node end where a message is
 * `null`; those of the web do not.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as ByteReader from "./ByteReader.ts"
import * as Codec from "./Codec.ts"
import * as Decoder from "./Decoder.ts"

/**
 * Bytes to messages. Messages before a failure come before it.
 *
 * **Errors**: the stream fails with `FrameError` or `MessageError`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const decode = <In>(codec: Codec.Codec<In, never>): TransformStream<Uint8Array, In> => {
  const reader = ByteReader.make()
  const step = codec.decoder.start()
  const run = (controller: TransformStreamDefaultController<In>) => {
    const messages: Array<In> = []
    const failure = Decoder.run(step, reader, messages)
    for (const message of messages) controller.enqueue(message)
    if (failure !== undefined) controller.error(failure)
  }
  return new TransformStream({
    transform: (chunk, controller) => {
      reader.push(chunk)
      run(controller)
    },
    flush: (controller) => {
      reader.end()
      run(controller)
    }
  })
}

/**
 * Messages to bytes. A chunk is the reader's, with its memory.
 *
 * **Errors**: the stream fails with the `MessageError` of a message that the codec refuses.
 *
 * @category constructors
 * @since 0.1.0
 */
export const encode = <Out>(codec: Codec.Codec<unknown, Out>): TransformStream<Out, Uint8Array> =>
  new TransformStream({
    transform: (message, controller) => {
      const encoded = Codec.encodeAll(codec, [message])
      if (Result.isFailure(encoded)) return controller.error(encoded.failure)
      for (const chunk of encoded.success) controller.enqueue(owned(chunk))
    }
  })

// Streams of bytes, and whoever posts a chunk to another thread, take its whole memory away, which is the writers' of all
// connections.
const owned = (chunk: Uint8Array): Uint8Array =>
  chunk.length === chunk.buffer.byteLength ? chunk : new Uint8Array(chunk)
