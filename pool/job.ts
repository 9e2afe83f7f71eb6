import { commandHash } from "../records/command_hash.ts";
import type { CheckedTask } from "../records/task.ts";
import type { TaskResult } from "../records/result.ts";
import type { AttemptResult } from "./executor.ts";
import type { AttemptMeta } from "./outcome.ts";

/** A task in the pool, with its state. */
export interface Job {
  readonly task: CheckedTask;
  readonly id: string;
  /** The position of the task in the input, from 1. */
  readonly sequence: number;
  readonly cmdHash: string;
  /** The last attempt that has ended. */
  lastAttempt: { meta: AttemptMeta; result: AttemptResult } | undefined;
  /** True when the caller no longer wants the task to run. */
  isCanceled: boolean;
}

/** Creates the job of a checked task. */
export function jobOf(task: CheckedTask, sequence: number): Job {
  const id = String(task.id ?? sequence);
  return { task, id, sequence, cmdHash: commandHash(task.cmd), lastAttempt: undefined, isCanceled: false };
}

/** The result of a task, with the result of its last attempt; without one for a task that did not run. */
export interface Finished {
  readonly result: TaskResult;
  readonly attemptResult: AttemptResult | undefined;
}
