import { excerpt } from "../text/excerpt.ts";
import type { ResultIndex, TaskState } from "../results/result_index.ts";
import type { HeldTasks } from "../pool/workflow/source_facts.ts";
import type { Task } from "../records/task.ts";
import type { Io } from "./io.ts";
import type { Capacity } from "./workflow/workflow_check.ts";

/** Number of tasks that a message names. */
const MAX_NAMED_TASKS = 3;

/** Options for reading tasks. */
export interface TaskInputOptions {
  /** The handling of an invalid line. */
  onInvalid: "abort" | "skip";
  /** Called with a message for each skipped line. */
  report: Io["stderr"];
  /** The results of earlier runs; their tasks are skipped. */
  recorded: ResultIndex | undefined;
}

/** Options for checking tasks before the run. */
export interface CountOptions extends TaskInputOptions {
  /** Returns the capacity of the run, into which each task of a workflow has to fit. */
  capacity: () => Promise<Capacity>;
}

/** Keeps waiting tasks elsewhere than in memory, and has resources to release. */
export interface OpenHeldTasks extends HeldTasks {
  close(): void;
}

/** The tasks of a run. */
export abstract class TaskInput {
  /** The name of the input in messages. */
  abstract readonly name: string;
  /** True if the input can be read twice, so that it can be checked before the run. */
  abstract readonly isRepeatable: boolean;
  /** Number of invalid lines or values that were skipped. */
  invalid = 0;
  /** Number of tasks that have a result, including {@linkcode changed}. */
  done = 0;
  /** Number of tasks that have a result from a different command. */
  changed = 0;
  /** The names of the first changed tasks, for messages. */
  changedNames: string[] = [];
  /** True if a task has `after`, `priority`, `uses` or `slots`; undefined if that is unknown before the run. */
  isWorkflow: boolean | undefined;
  /** True if the tasks of a workflow should be read to their end before the first one starts. */
  isReadFirst = false;
  /** Number of skipped tasks that the scheduler skips again, so that their results stay. */
  kept = 0;

  /** Keeps the waiting tasks of a workflow; undefined if the scheduler keeps them in memory. */
  get held(): OpenHeldTasks | undefined {
    return undefined;
  }

  /** Yields the tasks that have no result. Throws at an invalid line or value, or skips it with a message. */
  abstract tasks(options: TaskInputOptions): AsyncIterableIterator<Task>;

  /** Checks everything as {@linkcode tasks} does. Returns the number of tasks that get a result. */
  async count(options: CountOptions): Promise<number> {
    let count = 0;
    for await (const _ of this.tasks(options)) count++;
    return count;
  }

  /** Sets all counts to 0 before the input is read. */
  protected reset(): void {
    this.invalid = 0;
    this.done = 0;
    this.changed = 0;
    this.changedNames = [];
  }

  /** Returns whether the task at a position of the input has a result, and counts those that have. */
  protected isDone(state: TaskState, id: Task["id"] | false, unit: "line" | "task", position: number): boolean {
    if (state === "remaining") return false;
    this.done++;
    if (state === "changed" && this.changed++ < MAX_NAMED_TASKS) {
      this.changedNames.push(`${excerpt(id)} (${unit} ${position})`);
    }
    return true;
  }
}
