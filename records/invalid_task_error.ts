/** The origin of a task, as far as it is known. */
export interface TaskOrigin {
  /** The number of the task in its source, from 1. */
  number?: number | undefined;
  /** The number of its line in the input, from 1. */
  lineNumber?: number | undefined;
}

/** Details of an {@linkcode InvalidTaskError}. */
export interface InvalidTaskDetails extends TaskOrigin {
  /** The field at fault. */
  field?: string | undefined;
  /** The error behind this one. */
  cause?: unknown;
}

/**
 * A value that is not a {@linkcode Task}.
 *
 * Thrown by `parseTask` and `TaskRunner.add`, and by the iterator of `run` for a value of its tasks. `readTasks` throws
 * an `InvalidLineError` instead, whose `cause` is this error.
 *
 * @example Find the field at fault
 * ```ts
 * import { InvalidTaskError, parseTask } from "@x/taskrunner";
 * import { assertEquals } from "@std/assert/equals";
 *
 * try {
 *   parseTask({ cmd: ["echo", 5] });
 * } catch (error) {
 *   if (!(error instanceof InvalidTaskError)) throw error;
 *   assertEquals(error.field, "cmd[1]");
 * }
 * ```
 */
export class InvalidTaskError extends Error {
  /** The name of the class. */
  override readonly name: string = "InvalidTaskError";
  /** The reason, without the origin of the task. */
  readonly problem: string;
  /** The field at fault, such as `cmd`, `cmd[1]` or `env.PATH`; `undefined` when the value is not an object. */
  readonly field: string | undefined;
  /** The number of the task, from 1, where it comes from a program. */
  readonly number: number | undefined;
  /** The number of the line, from 1, where the task comes from JSON Lines. */
  readonly lineNumber: number | undefined;

  /** Creates the error for a value. */
  constructor(problem: string, { field, number, lineNumber, cause }: InvalidTaskDetails = {}) {
    const task = number === undefined ? "the task" : `task ${number}`;
    super(`Cannot read ${task}: ${problem}`, cause === undefined ? undefined : { cause });
    this.problem = problem;
    this.field = field;
    this.number = number;
    this.lineNumber = lineNumber;
  }
}
