// Who the ends of a test are: a root that only tests trust, and those it has signed, or not.
import type { Tls } from "@framewire/core"
import { readFileSync } from "node:fs"
import { join } from "node:path"

const read = (file: string) => readFileSync(join(import.meta.dirname, "certificates", file), "utf8")

const identity = (name: string): Tls.Identity => ({ certificate: read(`${name}.pem`), key: read(`${name}.key`) })

/** The root. */
export const ca = read("ca.pem")

/** For localhost, 127.0.0.1 and ::1. */
export const server = identity("server")

/** For other.example and *.wild.example. */
export const other = identity("other")

/** For localhost, until the moment in which it was made. */
export const expired = identity("expired")

/** A client. */
export const alice = identity("alice")

/** For localhost, signed by nobody else. */
export const stranger = identity("stranger")
