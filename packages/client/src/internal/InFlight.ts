// The requests of a line that have no reply yet.
import type { Protocol } from "@framewire/framing"

/** Whether a request has left this client; nobody answers one that has not. */
export interface Sendable {
  readonly sent: boolean
}

/** Finds the request of a reply: by its id, or as the first one. */
export interface InFlight<A extends Sendable> {
  readonly size: () => number
  /** Whether that id is still this request's, which it is until its reply. */
  readonly has: (id: Protocol.Id) => boolean
  /** Gives its id. */
  readonly add: (request: A) => number
  /** The request that the reply belongs to; undefined if there is none. */
  readonly find: (id: Protocol.Id) => A | undefined
  /** The same, which is then no longer in flight. */
  readonly take: (id: Protocol.Id) => A | undefined
  /** It was not sent, and is not going to be. */
  readonly remove: (id: Protocol.Id, request: A) => void
  /** All of them, in order. */
  readonly all: () => ReadonlyArray<A>
  readonly clear: () => void
}

/** What follows an id: whole numbers from 1, and from there again. */
const after = (id: number, maxId: number): number => id >= maxId ? 1 : id + 1

export const inOrder = <A extends Sendable>(maxId: number): InFlight<A> => {
  let last = 0
  let requests: Array<A> = []
  // What is before it was taken: to shift a long array moves all of it.
  let first = 0
  const find = () => {
    const request = requests[first]
    return request?.sent === true ? request : undefined
  }
  return {
    size: () => requests.length - first,
    find,
    has: () => false,
    add: (request) => {
      requests.push(request)
      return last = after(last, maxId)
    },
    take: () => {
      const request = find()
      if (request === undefined) return undefined
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
    // Behind all that were sent.
    remove: (_, request) => void requests.splice(requests.lastIndexOf(request), 1),
    all: () => requests.slice(first),
    clear: () => {
      requests = []
      first = 0
    }
  }
}

export const byId = <A extends Sendable>(maxId: number): InFlight<A> => {
  const requests = new Map<Protocol.Id, A>()
  let last = 0
  const find = (id: Protocol.Id) => {
    const request = requests.get(id)
    return request?.sent === true ? request : undefined
  }
  return {
    size: () => requests.size,
    find,
    has: (id) => requests.has(id),
    add: (request) => {
      do last = after(last, maxId)
      while (requests.has(last))
      requests.set(last, request)
      return last
    },
    take: (id) => {
      const request = find(id)
      if (request !== undefined) requests.delete(id)
      return request
    },
    remove: (id) => void requests.delete(id),
    all: () => [...requests.values()],
    clear: () => requests.clear()
  }
}
