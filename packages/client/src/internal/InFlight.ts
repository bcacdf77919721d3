// The requests of a line that have no reply yet.
import type { Protocol } from "@framewire/framing"

/** Whether a request has left this client; nobody answers one that has not. */
export interface Sendable {
  sent: boolean
}

/** Finds the request of a reply: by its id, or as the first one. */
export interface InFlight<A extends Sendable> {
  readonly size: () => number
  readonly has: (id: Protocol.Id) => boolean
  readonly add: (id: number, request: A) => void
  /** The request that the reply belongs to, which is then no longer in flight; undefined if there is none. */
  readonly take: (id: Protocol.Id) => A | undefined
  /** All of them, in order, which are then no longer in flight. */
  readonly takeAll: () => ReadonlyArray<A>
}

export const inOrder = <A extends Sendable>(): InFlight<A> => {
  const requests: Array<A> = []
  return {
    size: () => requests.length,
    has: () => false,
    add: (_, request) => requests.push(request),
    take: () => requests[0]?.sent === true ? requests.shift() : undefined,
    takeAll: () => requests.splice(0)
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
    takeAll: () => {
      const all = [...requests.values()]
      requests.clear()
      return all
    }
  }
}
