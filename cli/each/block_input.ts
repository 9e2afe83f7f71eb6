import { isWorkflowTask } from "../../pool/task_feed.ts";
import { checkTask, markChecked, type Task } from "../../records/task.ts";
import { TaskPass } from "../../results/task_pass.ts";
import { systemReason } from "../../system/system_error.ts";
import { excerpt } from "../../text/excerpt.ts";
import { TaskInput, type TaskInputOptions } from "../task_input.ts";
import { type BlockFormat, recordBlocks } from "./record_blocks.ts";
import type { ByteSource } from "../byte_source.ts";
import type { TaskFields } from "./task_fields.ts";
import type { Template } from "./template.ts";

/** The tasks of `each --pipe`: one for each block of bytes, which is its standard input. The id is the number of the block. */
export class BlockInput extends TaskInput {
  readonly name: string;
  readonly isRepeatable: boolean;
  readonly #source: ByteSource;
  readonly #format: BlockFormat;
  readonly #template: Template;
  readonly #fields: TaskFields;

  /** @param fields fields of every task. */
  constructor(source: ByteSource, format: BlockFormat, template: Template, fields: TaskFields) {
    super();
    this.name = source.name;
    this.isRepeatable = source.isRepeatable;
    this.#source = source;
    this.#format = format;
    this.#template = template;
    this.#fields = fields;
    this.isWorkflow = isWorkflowTask(fields);
  }

  async *tasks({ recorded }: TaskInputOptions): AsyncGenerator<Task, void> {
    this.reset();
    const pass = recorded && new TaskPass(recorded);
    let number = 0;
    try {
      for await (const stdin of recordBlocks(this.#source.open(), this.#format)) {
        number++;
        const cmd = this.#template.commandFor({ values: [], number });
        const task = markChecked(checkTask({ id: `${number}`, cmd, stdin, ...this.#fields }));
        if (pass && this.isDone(pass.stateOf(task, number, "task"), task.id, "task", number)) continue;
        yield task;
      }
    } catch (error) {
      throw new Error(`Cannot read blocks from ${excerpt(this.name)}: ${systemReason(error)}`, { cause: error });
    }
  }
}
