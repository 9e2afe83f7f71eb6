import type { CheckedTask } from "../records/task.ts";
import type { TaskResult } from "../records/result.ts";
import type { AttemptResult } from "./executor.ts";
import type { AttemptMeta } from "./outcome.ts";

/** A task on its way through the pool. */
export interface Job {
  readonly task: CheckedTask;
  readonly id: string;
  /** The position of the task in the input, from 1. */
  readonly sequence: number;
  readonly cmdHash: string;
  /** The last attempt, once one has ended. */
  lastAttempt: { meta: AttemptMeta; result: AttemptResult } | undefined;
  /** True when the caller no longer wants the task to run. */
  isCanceled: boolean;
}

/** The result of a task, and the attempt that it describes. */
export interface Finished {
  readonly result: TaskResult;
  readonly attemptResult: AttemptResult;
}
