/**
 * A transport in memory, and the cases that every transport has to pass.
 *
 * @since 0.1.0
 */

/**
 * One conformance suite for every transport, as data.
 *
 * @since 0.1.0
 */
export * as Conformance from "./Conformance.ts"

/**
 * The faults of a network in memory.
 *
 * @since 0.1.0
 */
export * as MemoryNetwork from "./MemoryNetwork.ts"

/**
 * The transport in memory.
 *
 * @since 0.1.0
 */
export * as MemoryTransport from "./MemoryTransport.ts"
