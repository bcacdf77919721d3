/** Values through a schema, both ways, with failures as messages have them. */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import { MessageError, SchemaMismatch } from "../FramingError.ts"

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** What a schema has against a value; undefined for what is no such failure. */
export const mismatchOf = (error: unknown): SchemaMismatch | undefined => {
  if (Schema.isSchemaError(error)) {
    const [first] = issuesOf(error.issue).issues
    const path = first?.path?.map((segment) => typeof segment === "object" ? segment.key : segment) ?? []
    return new SchemaMismatch({ detail: error.message, path })
  }
  // What is nested deep enough exhausts the stack of a recursive schema: its fault, not a defect of ours.
  return error instanceof RangeError ? new SchemaMismatch({ detail: error.message }) : undefined
}

const mismatch = (cause: Cause.Cause<Schema.SchemaError>): SchemaMismatch => {
  const error = Cause.squash(cause)
  const reason = mismatchOf(error)
  if (reason === undefined) throw error
  return reason
}

/** The functions of a schema whose encoded side is what goes into frames. */
export const through = <A, E>(schema: Schema.Codec<A, E>) => {
  // A third of the time of the interpreter, which goes on where no function can be made of a text.
  SchemaJITCompiler.enable(schema.ast)
  SchemaJITCompiler.enable(SchemaAST.flip(schema.ast))
  const decode = Schema.decodeUnknownExit(schema)
  const encode = Schema.encodeUnknownExit(schema)
  return {
    decode: (value: unknown): A => {
      const decoded = decode(value)
      if (Exit.isSuccess(decoded)) return decoded.value
      throw new MessageError({ direction: "decode", reason: mismatch(decoded.cause) })
    },
    encode: (message: A): E => {
      const encoded = encode(message)
      if (Exit.isSuccess(encoded)) return encoded.value
      throw new MessageError({ direction: "encode", reason: mismatch(encoded.cause) })
    }
  }
}
