/**
 * Servers of several processes, on Node.
 *
 * @since 0.1.0
 */

/**
 * One of several processes that serve the same port.
 *
 * @since 0.1.0
 */
export * as Worker from "./Worker.ts"

/**
 * What can go wrong with the processes of a server.
 *
 * @since 0.1.0
 */
export * as WorkerError from "./WorkerError.ts"

/**
 * What happens to the processes of a server.
 *
 * @since 0.1.0
 */
export * as WorkerEvent from "./WorkerEvent.ts"

/**
 * Several processes that serve one port.
 *
 * @since 0.1.0
 */
export * as Workers from "./Workers.ts"

/**
 * What became of the connections of a server of several processes.
 *
 * @since 0.1.0
 */
export * as WorkersReport from "./WorkersReport.ts"
