import type { Task } from "../records/task.ts";
import { excerpt } from "../text/excerpt.ts";
import { enlarged } from "../graph/id_table.ts";
import type { ResultIndex, TaskState } from "./result_index.ts";
import type { TaskScanner } from "./task_scanner.ts";

const MAX_POSITION = 2 ** 32 - 1;
const MIN_CAPACITY = 64;

/** One pass over all tasks of a run: looks each task up in a {@linkcode ResultIndex} and finds ids that occur twice. */
export class TaskPass {
  readonly #index: ResultIndex;
  /** By the numbers of ids: the position of the task, or 0. */
  #positions: Uint32Array<ArrayBuffer>;

  constructor(index: ResultIndex) {
    this.#index = index;
    this.#positions = new Uint32Array(Math.max(MIN_CAPACITY, index.idCount));
  }

  /** Size of the pass in memory, in bytes, without the index. */
  get heldBytes(): number {
    return this.#positions.byteLength;
  }

  /**
   * Returns the state of a task. Repeated calls for the same task and position return the same state.
   *
   * @param position the position of the task in the input, from 1.
   * @param unit the unit of the position, for the message.
   * @throws `RangeError` when the task has no id, or the id of a task at another position.
   */
  stateOf({ id, cmd }: Task, position: number, unit: "line" | "value" | "task"): TaskState {
    if (id === undefined) throw new RangeError('"id" is missing; resuming finds the result of a task by its id');
    const number = this.#index.intern(String(id));
    const other = this.#enter(number, position);
    if (other === undefined) return this.#index.stateOfCommand(number, cmd);
    throw new RangeError(
      `the id ${excerpt(String(id))} is also the id of ${unit} ${other}; resuming needs unique ids`,
    );
  }

  /** Returns the state of a scanned task; `undefined` for a task that {@linkcode stateOf} rejects. */
  stateOfScanned(bytes: Uint8Array, scanner: TaskScanner, position: number): TaskState | undefined {
    if (!scanner.hasId) return undefined;
    const number = this.#index.internSpan(bytes, scanner.id);
    const other = this.#enter(number, position);
    return other === undefined ? this.#index.stateOfScannedCommand(number, bytes, scanner) : undefined;
  }

  /** Notes the position of an id. Returns another position that the id has already. */
  #enter(number: number, position: number): number | undefined {
    if (!Number.isInteger(position) || position < 1 || position > MAX_POSITION) {
      throw new RangeError(
        `Cannot look up the task: its position must be an integer from 1 to ${MAX_POSITION}, got ${position}`,
      );
    }
    while (number >= this.#positions.length) this.#positions = new Uint32Array(enlarged(this.#positions));
    const known = this.#positions[number]!;
    if (known !== 0 && known !== position) return known;
    this.#positions[number] = position;
    return undefined;
  }
}
