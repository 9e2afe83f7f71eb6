import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { excerpt, printable } from "../internal/excerpt.ts";
import { filePieces } from "../internal/file_pieces.ts";
import { systemReason } from "../internal/system_error.ts";
import type { Journal } from "../journal.ts";
import { InvalidLineError, readJsonLines, type ReadJsonLinesOptions, type Source } from "../jsonl.ts";
import { countJsonLines } from "../jsonl_reader.ts";
import { taskOfLine } from "../read_tasks.ts";
import { parseTask, type Task } from "../task.ts";
import type { Io } from "./io.ts";

/** How many tasks a message names. */
const MAX_NAMES = 3;

/** How tasks are read. */
export interface TaskInputOptions {
  onInvalid: "abort" | "skip";
  /** Is told about lines that are passed over. */
  report: Io["stderr"];
  /** Tasks that it has a result of are not to run. */
  journal: Journal | undefined;
}

/** Where tasks come from: a file or standard input. */
export class TaskInput {
  /** Whether it can be read more than once, and so be checked before anything runs. */
  readonly isFile: boolean;
  /** How many lines were no tasks and passed over. */
  invalid = 0;
  /** How many tasks have a result already. */
  done = 0;
  /** How many of them have a result of another command. */
  changed = 0;
  /** The first of those. */
  readonly changedNames: string[] = [];
  readonly #name: string;
  readonly #open: () => Source<Uint8Array>;

  private constructor(name: string, isFile: boolean, open: () => Source<Uint8Array>) {
    this.#name = name;
    this.isFile = isFile;
    this.#open = open;
  }

  /** Finds the input: a path, or `-` or nothing for standard input. */
  static async find(path: string | undefined, io: Io): Promise<TaskInput> {
    if (path === undefined || path === "-") {
      if (io.stdinIsTerminal) {
        await io.stderr(
          'taskrunner: reading tasks from the terminal, such as {"cmd":"echo hi"}; Ctrl-D ends the input',
        );
      }
      return new TaskInput("standard input", false, io.stdin);
    }
    const status = await stat(path).catch((error) => {
      throw new Error(`Cannot read tasks from ${excerpt(path)}: ${systemReason(error)}`, { cause: error });
    });
    if (status.isDirectory()) {
      throw new Error(`Cannot read tasks from ${excerpt(path)}: it is a directory, not a file of JSON Lines`);
    }
    const isFile = status.isFile();
    return new TaskInput(path, isFile, () => isFile ? filePieces(path) : createReadStream(path));
  }

  /** The tasks that have to run. A line that is no task is an error, or with `skip` is reported and passed over. */
  async *tasks(options: TaskInputOptions): AsyncGenerator<Task, void> {
    try {
      for await (const { value } of readJsonLines(this.#open(), this.#readOptions(options))) {
        if (value) yield value;
      }
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Checks every line, as {@linkcode tasks} does, and gives the number of tasks that have to run. */
  async count(options: TaskInputOptions): Promise<number> {
    try {
      return await countJsonLines(this.#open(), this.#readOptions(options)) - this.done;
    } catch (error) {
      throw this.#explain(error);
    }
  }

  #readOptions({ onInvalid, report, journal }: TaskInputOptions): ReadJsonLinesOptions<Task | undefined> {
    this.invalid = 0;
    this.done = 0;
    const skip = (error: InvalidLineError) => {
      this.invalid++;
      return report(`taskrunner: ${this.#describe(error)}`);
    };
    return {
      parse: (value, line) => journal ? this.#unlessDone(parseTask(value), line, journal) : taskOfLine(value, line),
      ...(onInvalid === "skip" && { onInvalid: skip }),
    };
  }

  #explain(error: unknown): Error {
    if (error instanceof InvalidLineError) return new Error(this.#describe(error), { cause: error });
    return new Error(`Cannot read tasks from ${excerpt(this.#name)}: ${systemReason(error)}`, { cause: error });
  }

  #unlessDone(task: Task, lineNumber: number, journal: Journal): Task | undefined {
    const { isDone, isChanged } = journal.find(task, lineNumber, "line");
    if (!isDone) return task;
    this.done++;
    if (isChanged && this.changed++ < MAX_NAMES) this.changedNames.push(`${excerpt(task.id)} (line ${lineNumber})`);
    return undefined;
  }

  #describe({ lineNumber, problem }: InvalidLineError): string {
    return `${printable(this.#name)}:${lineNumber}: ${problem}`;
  }
}
