/**
 * Resuming a run: which tasks have a result already.
 *
 * @module
 */

import { ResultIndex } from "./result_index.ts";
import { type Source, SourceReader } from "../jsonl/source.ts";
import { checkTask, type Task } from "../records/task.ts";

/** Options of {@linkcode Journal.read}. */
export interface JournalOptions {
  /**
   * Runs tasks again whose latest outcome is not `ok`, not only those that were canceled.
   *
   * @default {false}
   */
  retryFailed?: boolean | undefined;
}

/** What a {@linkcode Journal} says of a task. */
export interface JournalEntry {
  /** The task has a result that stands, and need not run. */
  isDone: boolean;
  /** That result is for another command. */
  isChanged: boolean;
}

/**
 * The results of earlier runs, by the ids of their tasks: what a run that is resumed need not do again. An id of 12
 * characters takes less than 64 bytes.
 *
 * @example Run what has no result yet
 * ```ts
 * import { Journal, run } from "@x/taskrunner";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const line = `{"id":"a","status":0,"outcome":"ok","attempts":1,"slot":1,"startedAt":"2026-01-02T03:04:05.678Z",` +
 *   `"durationMs":1.5,"stdout":"hi\\n","stderr":""}\n`;
 * const journal = await Journal.read([new TextEncoder().encode(line)]);
 * const tasks = [{ id: "a", cmd: "echo hi" }, { id: "b", cmd: "echo ho" }];
 * const ids: string[] = [];
 * for await (const { id } of run(journal.remaining(tasks))) ids.push(id);
 * assertEquals(ids, ["b"]);
 * ```
 */
export class Journal {
  readonly #index: ResultIndex;

  private constructor(index: ResultIndex) {
    this.#index = index;
  }

  /**
   * Reads results in JSON Lines. Of several results of a task the last one counts; one that was canceled has none.
   *
   * @throws {InvalidLineError} at a line that is no result.
   */
  static async read(source: Source<Uint8Array>, { retryFailed = false }: JournalOptions = {}): Promise<Journal> {
    const index = new ResultIndex(retryFailed);
    await index.read(source);
    return new Journal(index);
  }

  /** How many tasks have a result. */
  get size(): number {
    return this.#index.size;
  }

  /**
   * Looks a task up.
   *
   * @param place where the task is in the input, from 1. For the same task and place the answer stays the same.
   * @param unit what is counted there, for the message.
   * @throws `RangeError` when the task has no id, or that of a task at another place.
   */
  find(task: Task, place: number, unit: "line" | "task" = "task"): JournalEntry {
    return this.#index.find(task, place, unit);
  }

  /**
   * Passes on the tasks that have to run. Give it all tasks, in any order; they need ids, each its own.
   *
   * @param onChanged called for a task that is passed over, and whose result is for another command.
   * @throws `RangeError` (from the iterator) when a task has no id, or that of another.
   */
  async *remaining(tasks: Source<Task>, onChanged: (task: Task) => void = () => {}): AsyncGenerator<Task, void> {
    const source = new SourceReader(tasks);
    try {
      let next = await source.next();
      for (let number = 1; !next.done; number++) {
        const task = checkTask(next.value, { number });
        const { isDone, isChanged } = this.find(task, number);
        if (isChanged) onChanged(task);
        if (!isDone) yield task;
        next = await source.next();
      }
    } finally {
      await source.cancel();
    }
  }
}
