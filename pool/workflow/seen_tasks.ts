import { enlarged, IdTable } from "../../graph/id_table.ts";
import { type Outcome, OUTCOMES } from "../../records/result.ts";

/** The mark of a task without an outcome. */
const UNFINISHED = 0;
/** The mark of an id of several tasks. */
const AMBIGUOUS = 255;

/**
 * The ids and outcomes of the tasks of a stream before its first task with prerequisites, which may name them. A task takes
 * about 30 bytes.
 */
export class SeenTasks {
  readonly ids: IdTable = new IdTable();
  /** By number of the id: the index of the outcome in `OUTCOMES`, plus 1. */
  #marks = new Uint8Array(64);

  /** Notes a task that has been read. */
  add(id: string): void {
    const { size } = this.ids;
    const number = this.#numberOf(id);
    this.#marks[number] = number === size ? UNFINISHED : AMBIGUOUS;
  }

  /** Notes the outcome of a task. */
  end(id: string, outcome: Outcome): void {
    const number = this.#numberOf(id);
    if (!this.isAmbiguous(number)) this.#marks[number] = 1 + OUTCOMES.indexOf(outcome);
  }

  /** Returns whether several tasks have the id with a number. */
  isAmbiguous(number: number): boolean {
    return this.#marks[number] === AMBIGUOUS;
  }

  /** Returns the outcome of the task with a number; `undefined` when the task has not ended. */
  outcomeAt(number: number): Outcome | undefined {
    return OUTCOMES[this.#marks[number]! - 1];
  }

  #numberOf(id: string): number {
    const number = this.ids.addText(id);
    if (number === this.#marks.length) this.#marks = new Uint8Array(enlarged(this.#marks));
    return number;
  }
}
