import { IdTable } from "../../graph/id_table.ts";
import { excerpt } from "../../text/excerpt.ts";
import type { Io } from "../io.ts";
import { readResultsFrom } from "../results_input.ts";

const MIN_CAPACITY = 64;

/** The durations of the tasks of an earlier run, in large arrays: 8 bytes and the id for each. */
export class LearnedDurations {
  readonly #ids = new IdTable();
  /** By the numbers of ids, in milliseconds. */
  #durations = new Float64Array(MIN_CAPACITY);

  /** The number of tasks with a duration. */
  get size(): number {
    return this.#ids.size;
  }

  /** Sets the duration of a task, which replaces an earlier one. */
  set(id: string, durationMs: number): void {
    const number = this.#ids.addText(id);
    if (number === this.#durations.length) {
      this.#durations = new Float64Array(this.#durations.buffer.transfer(2 * this.#durations.byteLength));
    }
    this.#durations[number] = durationMs;
  }

  /** Returns the duration of a task, in milliseconds; `undefined` if it is unknown. */
  msOf(id: string): number | undefined {
    const number = this.#ids.findText(id);
    return number === -1 ? undefined : this.#durations[number];
  }
}

/**
 * Reads the durations of a run from its results. A task that was skipped or canceled has none, so that an earlier duration
 * of the task stays.
 *
 * @throws an error for a file that is missing, broken or without results.
 */
export async function readDurations(path: string, io: Io): Promise<LearnedDurations> {
  const durations = new LearnedDurations();
  let results = 0;
  await readResultsFrom(path, io, ({ id, outcome, durationMs }) => {
    results++;
    if (outcome !== "skipped" && outcome !== "canceled") durations.set(id, durationMs);
  });
  if (results > 0) return durations;
  throw new Error(`Cannot learn durations from ${excerpt(path)}: the file has no results`);
}
