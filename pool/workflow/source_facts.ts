import type { Outcome } from "../../records/result.ts";
import type { CheckedTask } from "../../records/task.ts";

/** Keeps the tasks of a workflow until they can start. */
export interface HeldTasks {
  /** About the memory that the kept tasks take, in bytes. */
  readonly heldBytes: number;
  /**
   * Keeps a task: the latest one that the source has yielded.
   *
   * @param node The number of the task. The numbers of all tasks are consecutive, but not in the order of the input.
   */
  hold(node: number, task: CheckedTask): void;
  /**
   * Returns a task, and forgets it.
   *
   * @throws when the task can no longer be read. The error ends the run.
   */
  take(node: number): CheckedTask;
}

/** The outcomes of earlier runs. */
export interface RecordedOutcomes {
  /**
   * Returns the latest recorded outcome of a task; `undefined` for a task without a result, and for a canceled one. The task
   * may run again all the same.
   */
  outcomeOf(id: string): Outcome | undefined;
}

/** The facts about a source that are known before its first task is read. */
export interface SourceFacts {
  /** True if a task has `after`, `priority`, `uses` or `slots`; `undefined` when that is unknown. */
  isWorkflow: boolean | undefined;
  /** True if a workflow is read to its end before its first task starts, so that the order of starts considers all tasks. */
  isReadFirst: boolean;
  /** Keeps waiting tasks elsewhere than in memory, for any number of tasks. */
  held?: HeldTasks | undefined;
  /**
   * Called when the number of tasks changes that have been read and get no result unless the source yields further tasks:
   * tasks that wait for a task that has not been read, and tasks whose recorded result stays.
   */
  onUnresolved?: ((tasks: number) => void) | undefined;
}
