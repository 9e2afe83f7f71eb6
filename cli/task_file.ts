import { excerpt } from "../text/excerpt.ts";
import { systemReason } from "../system/system_error.ts";
import { TaskScanner } from "../results/task_scanner.ts";
import { JsonScanner } from "../jsonl/json_scanner.ts";
import { textOf } from "../results/span.ts";
import type { TaskPass } from "../results/task_pass.ts";
import { InvalidLineError, type LineReader } from "../jsonl/line_reader.ts";
import { jsonLineReader, type JsonLineReaderOptions } from "../jsonl/jsonl_reader.ts";
import { taskOfLine, withAllDigits } from "../records/read_tasks.ts";
import { checkTaskLine, markChecked, type Task } from "../records/task.ts";
import { type ByteContents, type ByteSource, openBytes } from "./byte_source.ts";
import type { Io } from "./io.ts";
import { TaskInput, type TaskInputOptions } from "./task_input.ts";

const TASKS = {
  noun: "tasks",
  format: "a file of JSON Lines",
  terminalHint: 'reading tasks from the terminal, one per line, such as {"cmd":"echo hi"}',
} as const satisfies ByteContents;

const COMMANDS_HINT = "; to run each line as a command, write taskrunner each sh -c";

/** Reads lines and converts them to tasks. */
type ReadLines = (options: ReadOptions) => LineReader<Task | undefined>;
type ReadOptions = JsonLineReaderOptions<Task | undefined>;

/** The tasks of a file in JSON Lines. */
export class TaskFile extends TaskInput {
  readonly name: string;
  readonly isRepeatable: boolean;
  readonly #read: ReadLines;
  /** The first byte of the first line. */
  #firstByte: number | undefined;

  private constructor({ name, isRepeatable, open }: ByteSource) {
    super();
    this.name = name;
    this.isRepeatable = isRepeatable;
    this.#read = (options) => jsonLineReader(open(), options);
  }

  /** Returns the tasks of a file in JSON Lines; of standard input if the path is `-` or missing. */
  static async open(path: string | undefined, io: Io): Promise<TaskFile> {
    return new TaskFile(await openBytes(path ?? "-", TASKS, io));
  }

  /** Yields the tasks that have no result. Throws at an invalid line, or skips the line with a message. */
  async *tasks(options: TaskInputOptions): AsyncGenerator<Task, void> {
    const scanner = new TaskScanner(new JsonScanner());
    const pass = await passOver(options);
    try {
      const lines = this.#read({
        ...this.#readOptions(options, pass),
        accept: (bytes, begin, end, line) => {
          if (line === 1) this.#firstByte = bytes[begin];
          if (!pass || !scanner.scan(bytes, begin, end)) return false;
          const state = pass.stateOfScanned(bytes, scanner, line);
          return state !== undefined && this.isDone(state, state === "changed" && idOf(bytes, scanner), "line", line);
        },
      });
      for await (const { value } of lines) {
        if (value) yield value;
      }
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Checks every line as {@linkcode tasks} does. Returns the number of tasks that have no result. */
  override async count(options: TaskInputOptions): Promise<number> {
    const scanner = new TaskScanner(new JsonScanner());
    const pass = await passOver(options);
    let accepted = 0;
    try {
      const parsed = await this.#read({
        ...this.#readOptions(options, pass),
        accept: (bytes, begin, end, line) => {
          if (line === 1) this.#firstByte = bytes[begin];
          if (!scanner.scan(bytes, begin, end)) return false;
          const state = pass?.stateOfScanned(bytes, scanner, line);
          if (pass && !state) return false;
          if (state) this.isDone(state, state === "changed" && idOf(bytes, scanner), "line", line);
          accepted++;
          return true;
        },
      }).count();
      return accepted + parsed - this.done;
    } catch (error) {
      throw this.#explain(error);
    }
  }

  #readOptions({ onInvalid, report }: TaskInputOptions, pass: TaskPass | undefined): ReadOptions {
    this.reset();
    const skip = (error: InvalidLineError) => {
      this.invalid++;
      return report(`taskrunner: ${this.#describe(error)}`);
    };
    return {
      refine: withAllDigits,
      parse: (value, line) => {
        if (!pass) return markChecked(taskOfLine(value, line));
        return this.#unlessDone(markChecked(checkTaskLine(value, { lineNumber: line })), line, pass);
      },
      ...(onInvalid === "skip" && { onInvalid: skip }),
    };
  }

  #explain(error: unknown): Error {
    if (error instanceof InvalidLineError) {
      const hint = error.lineNumber === 1 && isStartOfCommand(this.#firstByte) ? COMMANDS_HINT : "";
      return new Error(`${this.#describe(error)}${hint}`, { cause: error });
    }
    return new Error(`Cannot read tasks from ${excerpt(this.name)}: ${systemReason(error)}`, { cause: error });
  }

  #unlessDone(task: Task, lineNumber: number, pass: TaskPass): Task | undefined {
    const state = pass.stateOf(task, lineNumber, "line");
    return this.isDone(state, task.id, "line", lineNumber) ? undefined : task;
  }

  #describe({ lineNumber, problem }: InvalidLineError): string {
    return `${this.name}:${lineNumber}: ${problem}`;
  }
}

/** Returns whether a first byte is that of a command such as `gzip` or `./run`, and not of JSON for a task. */
function isStartOfCommand(byte: number | undefined): boolean {
  return byte !== undefined && /[A-Za-z./]/.test(String.fromCharCode(byte));
}

/** Returns the pass that skips tasks with a result; `undefined` for a run that does not resume. */
async function passOver({ recorded }: TaskInputOptions): Promise<TaskPass | undefined> {
  return recorded && new (await import("../results/task_pass.ts")).TaskPass(recorded);
}

function idOf(bytes: Uint8Array, { id, isIdNumber }: TaskScanner): string | number {
  return isIdNumber ? Number(textOf(bytes, id)) : textOf(bytes, id);
}
