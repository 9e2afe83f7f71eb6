import { isWorkflowTask } from "../../pool/task_feed.ts";
import { checkTaskLine, markChecked, type Task } from "../../records/task.ts";
import { TaskPass } from "../../results/task_pass.ts";
import { encodeByteText } from "../../text/byte_text.ts";
import { excerpt } from "../../text/excerpt.ts";
import { TaskInput, type TaskInputOptions } from "../task_input.ts";
import { gather, type GroupSize } from "./gather.ts";
import { CachedRows } from "./held_rows.ts";
import { needsTotal } from "./placeholder.ts";
import type { OnInvalid, Row, Rows } from "./sources.ts";
import type { TaskFields } from "./task_fields.ts";
import type { Template } from "./template.ts";
import { UniqueIds } from "./unique_ids.ts";

/** Options of {@linkcode ValueInput}. */
export interface ValueInputOptions {
  readonly rows: Rows;
  readonly template: Template;
  /** The number of rows of each task; undefined for one. */
  readonly groupSize: GroupSize | undefined;
  /** Returns the id of the task with some values. */
  readonly idOf: (values: Row) => string;
  /** Set if equal ids get numbers, because a results file needs unique ones. */
  readonly hasUniqueIds: boolean;
  /** Fields of every task. */
  readonly fields: TaskFields;
}

/** The tasks of `each`: one for each row of values, or for each group of rows. */
export class ValueInput extends TaskInput {
  readonly name: string;
  readonly isRepeatable: boolean;
  readonly #options: ValueInputOptions;
  readonly #rows: Rows;
  readonly #needsTotal: boolean;

  constructor(options: ValueInputOptions) {
    super();
    const { rows, template } = options;
    this.#options = options;
    this.#needsTotal = template.placeholders.some(needsTotal);
    // The count is an additional reading, and a copy of standard input can be read only twice.
    this.#rows = this.#needsTotal && !(rows instanceof CachedRows) ? new CachedRows(rows, undefined) : rows;
    this.name = this.#rows.name;
    this.isRepeatable = this.#rows.isRepeatable;
    this.isWorkflow = isWorkflowTask(options.fields);
  }

  async *tasks(options: TaskInputOptions): AsyncGenerator<Task, void> {
    const { template, idOf, hasUniqueIds, fields } = this.#options;
    const { recorded, report } = options;
    this.reset();
    const pass = recorded && new TaskPass(recorded);
    const ids = hasUniqueIds ? new UniqueIds() : undefined;
    const total = this.#needsTotal ? await this.#countTasks(options) : undefined;
    let number = 0;
    for await (const values of this.#tasksValues(this.#skipper(options, report))) {
      number++;
      const id = idOf(values);
      const task = { id: ids ? ids.add(id) : id, cmd: template.commandFor({ values, number, total }), ...fields };
      const checked = await this.#check(task, number, options);
      if (!checked || (pass && this.isDone(pass.stateOf(task, number, "task"), task.id, "task", number))) continue;
      yield checked;
    }
  }

  /** Returns the number of all tasks, also of invalid ones and of those that have a result. */
  async #countTasks({ onInvalid }: TaskInputOptions): Promise<number> {
    let count = 0;
    for await (const _ of this.#tasksValues(onInvalid === "skip" ? () => {} : undefined)) count++;
    return count;
  }

  #tasksValues(onInvalid: OnInvalid): AsyncIterable<Row> {
    const { template, groupSize } = this.#options;
    const rows = this.#rows.rows(onInvalid);
    if (!groupSize) return rows;
    // The number has as many digits as that of any task.
    const task = { number: Number.MAX_SAFE_INTEGER, total: Number.MAX_SAFE_INTEGER };
    return gather(rows, groupSize, (values) => bytesOf(template.commandFor({ ...task, values })));
  }

  #skipper({ onInvalid }: TaskInputOptions, report: TaskInputOptions["report"]): OnInvalid {
    if (onInvalid === "abort") return undefined;
    return (message) => {
      this.invalid++;
      return report(`taskrunner: ${message}`);
    };
  }

  async #check(task: Task, number: number, { onInvalid, report }: TaskInputOptions): Promise<Task | undefined> {
    try {
      return markChecked(checkTaskLine(task));
    } catch (error) {
      const message = `task ${number} (${excerpt(task.id)}): ${(error as Error).message}`;
      if (onInvalid === "abort") throw new Error(message, { cause: error });
      this.invalid++;
      await report(`taskrunner: ${message}`);
      return undefined;
    }
  }
}

/** Returns the size of a command as the system counts it: each argument with its end. */
function bytesOf(command: string | readonly string[]): number {
  const words = typeof command === "string" ? [command] : command;
  return words.reduce((sum, word) => sum + encodeByteText(word).length + 1, 0);
}
