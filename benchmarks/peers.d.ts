// What is used of peers that have no types of their own.
declare module "length-prefixed-stream" {
  import type { Duplex } from "node:stream"
  export const encode: () => Duplex
  export const decode: () => Duplex
}

declare module "split2" {
  import type { Duplex } from "node:stream"
  const split2: () => Duplex
  export default split2
}
