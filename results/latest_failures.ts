import { isFailure, type TaskResult } from "../records/result.ts";
import { enlarged, IdTable } from "../graph/id_table.ts";

/** Marks a task whose latest result is that it was skipped. */
const SKIPPED = 2 ** 32 - 1;

/** The tasks whose latest result is a failure. A task takes less than 64 bytes. */
export class LatestFailures {
  readonly #ids: IdTable = new IdTable();
  /** By the numbers of ids: the number of the latest result, from 1, if it is a failure; {@linkcode SKIPPED}; otherwise 0. */
  #failures = new Uint32Array(64);
  #results = 0;
  #size = 0;
  #skipped = 0;

  /** Number of results. */
  get results(): number {
    return this.#results;
  }

  /** Number of tasks whose latest result is a failure. */
  get size(): number {
    return this.#size;
  }

  /** Number of tasks whose latest result is that they were skipped. */
  get skipped(): number {
    return this.#skipped;
  }

  /** Adds the next result. */
  add({ id, outcome }: Pick<TaskResult, "id" | "outcome">): void {
    const number = this.#ids.addText(id);
    if (number === this.#failures.length) this.#failures = new Uint32Array(enlarged(this.#failures));
    this.#results++;
    this.#count(this.#failures[number]!, -1);
    this.#failures[number] = isFailure(outcome) ? this.#results : outcome === "skipped" ? SKIPPED : 0;
    this.#count(this.#failures[number]!, 1);
  }

  #count(failure: number, change: 1 | -1): void {
    if (failure === SKIPPED) this.#skipped += change;
    else if (failure !== 0) this.#size += change;
  }

  /** Returns the number of the result, from 1, with which the task failed; 0 if the latest result is not a failure. */
  failureOf(id: string): number {
    const number = this.#ids.findText(id);
    const failure = number === -1 ? 0 : this.#failures[number]!;
    return failure === SKIPPED ? 0 : failure;
  }
}
