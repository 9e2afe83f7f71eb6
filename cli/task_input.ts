import { stat } from "node:fs/promises";
import { decodeByteText, encodeByteText } from "../text/byte_text.ts";
import { excerpt } from "../text/excerpt.ts";
import { readChunks } from "../system/read_chunks.ts";
import { readSpecialFile } from "../system/special_file.ts";
import { systemReason } from "../system/system_error.ts";
import { TaskScanner } from "../results/task_scanner.ts";
import { JsonScanner } from "../jsonl/json_scanner.ts";
import { type ResultIndex, type TaskState, textOf } from "../results/result_index.ts";
import { TaskPass } from "../results/task_pass.ts";
import { InvalidLineError } from "../jsonl/mod.ts";
import { jsonLineReader, type JsonLineReaderOptions } from "../jsonl/jsonl_reader.ts";
import { LineReader } from "../jsonl/line_reader.ts";
import { taskOfLine, withAllDigits } from "../records/read_tasks.ts";
import { checkTaskLine, markChecked, type Task } from "../records/task.ts";
import type { CommandTemplate } from "./args/command_template.ts";
import { InputCopy } from "./input_copy.ts";
import type { Io } from "./io.ts";

const STDIN = "standard input";
const VALUES = "values after :::";

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

/** Reads lines and converts them to tasks. */
type ReadLines = (options: ReadOptions) => LineReader<Task | undefined>;
type ReadOptions = JsonLineReaderOptions<Task | undefined>;

/** Limit of the size of a value of `each`. */
const MAX_VALUE_BYTES = 1024 * 1024;

/** The tasks of a run: from a file, from standard input, or from values. */
export class TaskInput {
  /** True if the input can be read twice, so that it can be checked before the run. */
  readonly isRepeatable: boolean;
  /** Number of invalid lines that were skipped. */
  invalid = 0;
  /** Number of tasks that have a result, including {@linkcode changed}. */
  done = 0;
  /** Number of tasks that have a result from a different command. */
  changed = 0;
  /** The names of the first changed tasks, for messages. */
  changedNames: string[] = [];
  /** The name of the input in messages. */
  readonly name: string;
  /** The unit of positions in messages. */
  readonly #unit: "line" | "value";
  readonly #read: ReadLines;

  private constructor(name: string, isRepeatable: boolean, unit: "line" | "value", read: ReadLines) {
    this.name = name;
    this.isRepeatable = isRepeatable;
    this.#unit = unit;
    this.#read = read;
  }

  /** Returns the tasks of a file in JSON Lines; of standard input if the path is `-` or missing. */
  static async ofFile(path: string | undefined, io: Io): Promise<TaskInput> {
    if (path === undefined || path === "-") {
      if (io.stdinIsTerminal) {
        await io.stderr(
          'taskrunner: reading tasks from the terminal, one per line, such as {"cmd":"echo hi"}; press Ctrl-D to end',
        );
      }
      return new TaskInput(STDIN, io.copiesInput ?? false, "line", (options) => jsonLineReader(io.stdin(), options));
    }
    const status = await stat(path).catch((error) => {
      throw new Error(`Cannot read tasks from ${excerpt(path)}: ${systemReason(error)}`, { cause: error });
    });
    if (status.isDirectory()) {
      throw new Error(`Cannot read tasks from ${excerpt(path)}: it is a directory, not a file of JSON Lines`);
    }
    const isFile = status.isFile();
    if (isFile) return new TaskInput(path, true, "line", (options) => jsonLineReader(readChunks(path), options));
    const open = () => readSpecialFile(path, io.signal);
    if (!io.copiesInput) return new TaskInput(path, false, "line", (options) => jsonLineReader(open(), options));
    const copy = new InputCopy(open);
    return new TaskInput(path, true, "line", (options) => jsonLineReader(copy.open(), options));
  }

  /**
   * Returns a task for each value, with the value as its id.
   *
   * @param values the values; undefined to read them from standard input.
   * @param areNulTerminated whether values on standard input end with a NUL instead of a newline.
   */
  static async ofValues(
    template: CommandTemplate,
    values: readonly string[] | undefined,
    areNulTerminated: boolean,
    io: Io,
  ): Promise<TaskInput> {
    if (!values && io.stdinIsTerminal) {
      await io.stderr("taskrunner: reading values from the terminal, one per line; press Ctrl-D to end");
    }
    const open = () => values ? values.map((value) => encodeByteText(`${value}\0`)) : io.stdin();
    const delimiter = values || areNulTerminated ? 0 : 10;
    return new TaskInput(
      values ? VALUES : STDIN,
      values !== undefined || (io.copiesInput ?? false),
      delimiter === 0 ? "value" : "line",
      ({ parse, onInvalid }) =>
        new LineReader(open(), {
          delimiter,
          maxLineBytes: MAX_VALUE_BYTES,
          onInvalid,
          decode: decodeByteText,
          parse(id, lineNumber) {
            if (id.includes("\0")) {
              throw new RangeError("Cannot use the value: it contains a NUL character; if values end with NUL, add -0");
            }
            return { lineNumber, value: parse!({ id, cmd: template.commandFor(id, lineNumber) }, lineNumber) };
          },
        }),
    );
  }

  /** Yields the tasks that have no result. Throws at an invalid line, or skips the line with a message. */
  async *tasks(options: TaskInputOptions): AsyncGenerator<Task, void> {
    const scanner = new TaskScanner(new JsonScanner());
    const pass = options.recorded && new TaskPass(options.recorded);
    try {
      const lines = this.#read({
        ...this.#readOptions(options, pass),
        accept: pass && ((bytes, begin, end, line) => {
          if (!scanner.scan(bytes, begin, end)) return false;
          const state = pass.stateOfScanned(bytes, scanner, line);
          return state !== undefined && this.#isDone(state, line, state === "changed" && idOf(bytes, scanner));
        }),
      });
      for await (const { value } of lines) {
        if (value) yield value;
      }
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Checks every line as {@linkcode tasks} does. Returns the number of tasks that have no result. */
  async count(options: TaskInputOptions): Promise<number> {
    const scanner = new TaskScanner(new JsonScanner());
    const pass = options.recorded && new TaskPass(options.recorded);
    let accepted = 0;
    try {
      const parsed = await this.#read({
        ...this.#readOptions(options, pass),
        accept: (bytes, begin, end, line) => {
          if (!scanner.scan(bytes, begin, end)) return false;
          const state = pass?.stateOfScanned(bytes, scanner, line);
          if (pass && !state) return false;
          if (state) this.#isDone(state, line, state === "changed" && idOf(bytes, scanner));
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
    this.invalid = 0;
    this.done = 0;
    this.changed = 0;
    this.changedNames = [];
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
    if (error instanceof InvalidLineError) return new Error(this.#describe(error), { cause: error });
    return new Error(`Cannot read tasks from ${excerpt(this.name)}: ${systemReason(error)}`, { cause: error });
  }

  #unlessDone(task: Task, lineNumber: number, pass: TaskPass): Task | undefined {
    const state = pass.stateOf(task, lineNumber, this.#unit);
    return this.#isDone(state, lineNumber, task.id) ? undefined : task;
  }

  /** Returns whether a task has a result, and counts those that have. */
  #isDone(state: TaskState, lineNumber: number, id: Task["id"] | false): boolean {
    if (state === "remaining") return false;
    this.done++;
    if (state === "changed" && this.changed++ < MAX_NAMED_TASKS) {
      this.changedNames.push(`${excerpt(id)} (${this.#unit} ${lineNumber})`);
    }
    return true;
  }

  #describe({ lineNumber, problem }: InvalidLineError): string {
    return this.name === VALUES ? `value ${lineNumber}: ${problem}` : `${this.name}:${lineNumber}: ${problem}`;
  }
}

function idOf(bytes: Uint8Array, { id, isIdNumber }: TaskScanner): string | number {
  return isIdNumber ? Number(textOf(bytes, id)) : textOf(bytes, id);
}
