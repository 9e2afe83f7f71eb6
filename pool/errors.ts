/** The errors that end a run. @module */

import { systemReason } from "../system/system_error.ts";

/**
 * The system has too few processes, descriptors or memory to start any task, although none is running.
 *
 * Thrown by the iterator of `run` after some seconds of attempts. Tasks that have not run have no result.
 */
export class ResourceShortageError extends Error {
  /** The name of the class. */
  override readonly name: string = "ResourceShortageError";
}

/**
 * The executor failed, so the run ended: it could not start, lost its connection, or has a defect. For a `TaskRunner` it
 * is also the error for a process that could not start or that ended early.
 *
 * Thrown by the iterator of `run` after the results of the running tasks. The `cause` is the error of the executor,
 * where there is one.
 */
export class ExecutorError extends Error {
  /** The name of the class. */
  override readonly name: string = "ExecutorError";
}

/** Wraps an error of an executor, unless its class already says what ended the run. */
export function executorError(error: unknown): ExecutorError | ResourceShortageError {
  if (error instanceof ExecutorError || error instanceof ResourceShortageError) return error;
  return new ExecutorError(systemReason(error), { cause: error });
}
