/** The errors that end a run. @module */

import { systemReason } from "../system/system_error.ts";
import { excerpt } from "../text/excerpt.ts";

/**
 * The system lacks processes, descriptors or memory to start any task, although no task is running.
 *
 * Thrown by the iterator of `run` when no task could start for 10 seconds. Tasks that never ran have no result.
 */
export class ResourceShortageError extends Error {
  /** The name of the class. */
  override readonly name: string = "ResourceShortageError";
}

/**
 * The executor failed, which ends the run: for example, the executor could not start or lost its connection.
 * `TaskRunner` also throws this error when its process could not start or ended early.
 *
 * Thrown by the iterator of `run` after the results of the running tasks. `cause` is the error of the executor, if there
 * is one.
 */
export class ExecutorError extends Error {
  /** The name of the class. */
  override readonly name: string = "ExecutorError";
}

/** Wraps an error of an executor, unless its class already says what ended the run. */
export function executorError(error: unknown): ExecutorError | ResourceShortageError {
  if (error instanceof ExecutorError || error instanceof ResourceShortageError) return error;
  return new ExecutorError(reasonOf(error), { cause: error });
}

/** Returns the error for an executor that broke its contract or failed to run an attempt. */
export function attemptError(error: unknown): ExecutorError {
  return new ExecutorError(`The executor failed: ${reasonOf(error)}`, { cause: error });
}

/** Returns the reason of any thrown value, even of one that is not an error or has an unusable message. */
function reasonOf(error: unknown): string {
  try {
    return `${systemReason(error)}`;
  } catch {
    return excerpt(error);
  }
}
