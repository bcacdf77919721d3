// The requests of a line that have no reply yet.
import type { Protocol } from "@framewire/framing"

/** Whether a request has left this client; nobody answers one that has not. */
export interface Sendable {
  readonly sent: boolean
}

/** Finds the request of a reply: by its id, or as the first one. */
export interface InFlight<A extends Sendable> {
  readonly size: () => number
  readonly has: (id: Protocol.Id) => boolean
  readonly add: (id: number, request: A) => void
  /** The request that the reply belongs to, which is then no longer in flight; undefined if there is none. */
  readonly take: (id: Protocol.Id) => A | undefined
  /** All of them, in order. */
  readonly all: () => ReadonlyArray<A>
  readonly clear: () => void
}

export const inOrder = <A extends Sendable>(): InFlight<A> => {
  let requests: Array<A> = []
  // What is before it was taken: to shift a long array moves all of it.
  let first = 0
  return {
    size: () => requests.length - first,
    has: () => false,
    add: (_, request) => requests.push(request),
    take: () => {
      const request = requests[first]
      if (request?.sent !== true) return undefined
      first++
      if (first === requests.length) {
        requests.length = 0
        first = 0
      } else if (first === 1024) {
        requests = requests.slice(first)
        first = 0
      }
      return request
    },
    all: () => requests.slice(first),
    clear: () => {
      requests = []
      first = 0
    }
  }
}

export const byId = <A extends Sendable>(): InFlight<A> => {
  const requests = new Map<Protocol.Id, A>()
  return {
    size: () => requests.size,
    has: (id) => requests.has(id),
    add: (id, request) => requests.set(id, request),
    take: (id) => {
      const request = requests.get(id)
      if (request?.sent !== true) return undefined
      requests.delete(id)
      return request
    },
    all: () => [...requests.values()],
    clear: () => requests.clear()
  }
}
