import { stat } from "node:fs/promises";
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
import type { Io } from "./io.ts";

const STDIN = "standard input";

/** How many tasks a message names. */
const MAX_NAMES = 3;

/** How tasks are read. */
export interface TaskInputOptions {
  onInvalid: "abort" | "skip";
  /** Is told about lines that are passed over. */
  report: Io["stderr"];
  /** The results of earlier runs, whose tasks are skipped. */
  recorded: ResultIndex | undefined;
}

/** Reads lines, and makes tasks of what they hold. */
type ReadLines = (options: ReadOptions) => LineReader<Task | undefined>;
type ReadOptions = JsonLineReaderOptions<Task | undefined>;

/** The longest value that a command is made of. */
const MAX_VALUE_BYTES = 1024 * 1024;
const encoder = new TextEncoder();

/** Where tasks come from. */
export class TaskInput {
  /** Whether it can be read more than once, and so be checked before anything runs. */
  readonly isRepeatable: boolean;
  /** How many lines were no tasks and passed over. */
  invalid = 0;
  /** Number of tasks that have a result, `changed` tasks included. */
  done = 0;
  /** Number of tasks that have a result of another command. */
  changed = 0;
  /** The first of the changed tasks, for messages. */
  changedNames: string[] = [];
  /** What it is called in messages. */
  readonly name: string;
  readonly #read: ReadLines;

  private constructor(name: string, isRepeatable: boolean, read: ReadLines) {
    this.name = name;
    this.isRepeatable = isRepeatable;
    this.#read = read;
  }

  /** Tasks in JSON Lines, of a file, or of standard input when the path is `-` or not there. */
  static async find(path: string | undefined, io: Io): Promise<TaskInput> {
    if (path === undefined || path === "-") {
      if (io.stdinIsTerminal) {
        await io.stderr(
          'taskrunner: reading tasks from the terminal, such as {"cmd":"echo hi"}; Ctrl-D ends the input',
        );
      }
      return new TaskInput(STDIN, false, (options) => jsonLineReader(io.stdin(), options));
    }
    const status = await stat(path).catch((error) => {
      throw new Error(`Cannot read tasks from ${excerpt(path)}: ${systemReason(error)}`, { cause: error });
    });
    if (status.isDirectory()) {
      throw new Error(`Cannot read tasks from ${excerpt(path)}: it is a directory, not a file of JSON Lines`);
    }
    const isFile = status.isFile();
    const open = () => isFile ? readChunks(path) : readSpecialFile(path, io.signal);
    return new TaskInput(path, isFile, (options) => jsonLineReader(open(), options));
  }

  /**
   * A command for each value, which is also the id of its task. Without values they are the lines of standard input, or
   * what ends with a NUL there.
   */
  static async each(
    template: CommandTemplate,
    values: readonly string[] | undefined,
    areNulTerminated: boolean,
    io: Io,
  ): Promise<TaskInput> {
    if (!values && io.stdinIsTerminal) {
      await io.stderr("taskrunner: reading values from the terminal, one on each line; Ctrl-D ends the input");
    }
    const open = () => values ? values.map((value) => encoder.encode(`${value}\0`)) : io.stdin();
    const delimiter = values || areNulTerminated ? 0 : 10;
    return new TaskInput(
      values ? "value" : STDIN,
      values !== undefined,
      ({ parse, onInvalid }) =>
        new LineReader(open(), {
          delimiter,
          maxLineBytes: MAX_VALUE_BYTES,
          onInvalid,
          parse(id, lineNumber) {
            if (id.includes("\0")) throw new RangeError("The value contains a NUL character: with -0 values end there");
            return { lineNumber, value: parse!({ id, cmd: template.commandFor(id, lineNumber) }, lineNumber) };
          },
        }),
    );
  }

  /** The tasks that have to run. A line that is no task is an error, or with `skip` is reported and passed over. */
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

  /** Checks every line, as {@linkcode tasks} does, and gives the number of tasks that have to run. */
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
    const state = pass.stateOf(task, lineNumber, "line");
    return this.#isDone(state, lineNumber, task.id) ? undefined : task;
  }

  /** Counts a task that is done. The message about a changed command names the task by its id. */
  #isDone(state: TaskState, lineNumber: number, id: Task["id"] | false): boolean {
    if (state === "remaining") return false;
    this.done++;
    if (state === "changed" && this.changed++ < MAX_NAMES) {
      this.changedNames.push(`${excerpt(id)} (line ${lineNumber})`);
    }
    return true;
  }

  #describe({ lineNumber, problem }: InvalidLineError): string {
    return `${this.name}:${lineNumber}: ${problem}`;
  }
}

function idOf(bytes: Uint8Array, { id, isIdNumber }: TaskScanner): string | number {
  return isIdNumber ? Number(textOf(bytes, id)) : textOf(bytes, id);
}
