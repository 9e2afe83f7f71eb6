import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { excerpt, printable } from "../internal/excerpt.ts";
import { filePieces } from "../internal/file_pieces.ts";
import { InvalidLineError, type Source } from "../jsonl.ts";
import { countTasks, readTasks, type ReadTasksOptions } from "../read_tasks.ts";
import type { Task } from "../task.ts";
import { systemReason } from "../internal/system_error.ts";
import type { Io } from "./io.ts";

/** Where tasks come from: a file or standard input. */
export class TaskInput {
  /** Whether it can be read more than once, and so be checked before anything runs. */
  readonly isFile: boolean;
  /** How many lines were no tasks and passed over. */
  invalid = 0;
  readonly #name: string;
  readonly #open: () => Source<Uint8Array>;
  readonly #io: Io;

  private constructor(name: string, isFile: boolean, open: () => Source<Uint8Array>, io: Io) {
    this.#name = name;
    this.isFile = isFile;
    this.#open = open;
    this.#io = io;
  }

  /** Finds the input: a path, or `-` or nothing for standard input. */
  static async find(path: string | undefined, io: Io): Promise<TaskInput> {
    if (path === undefined || path === "-") {
      if (io.stdinIsTerminal) {
        await io.stderr(
          'taskrunner: reading tasks from the terminal, such as {"cmd":"echo hi"}; Ctrl-D ends the input',
        );
      }
      return new TaskInput("standard input", false, io.stdin, io);
    }
    const status = await stat(path).catch((error) => {
      throw new Error(`Cannot read tasks from ${excerpt(path)}: ${systemReason(error)}`, { cause: error });
    });
    if (status.isDirectory()) {
      throw new Error(`Cannot read tasks from ${excerpt(path)}: it is a directory, not a file of JSON Lines`);
    }
    const isFile = status.isFile();
    return new TaskInput(path, isFile, () => isFile ? filePieces(path) : createReadStream(path), io);
  }

  /** The tasks. A line that is none is an error, or with `skip` is reported and passed over. */
  async *tasks(onInvalid: "abort" | "skip"): AsyncGenerator<Task, void> {
    try {
      yield* readTasks(this.#open(), this.#options(onInvalid));
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Checks every line, as {@linkcode tasks} does, and gives the number of tasks. */
  async count(onInvalid: "abort" | "skip"): Promise<number> {
    try {
      return await countTasks(this.#open(), this.#options(onInvalid));
    } catch (error) {
      throw this.#explain(error);
    }
  }

  #options(onInvalid: "abort" | "skip"): ReadTasksOptions {
    return onInvalid === "skip" ? { onInvalid: (error) => this.#report(error) } : {};
  }

  #explain(error: unknown): Error {
    if (error instanceof InvalidLineError) return new Error(this.#describe(error), { cause: error });
    return new Error(`Cannot read tasks from ${excerpt(this.#name)}: ${systemReason(error)}`, { cause: error });
  }

  #report(error: InvalidLineError): Promise<void> {
    this.invalid++;
    return this.#io.stderr(`taskrunner: ${this.#describe(error)}`);
  }

  #describe({ lineNumber, problem }: InvalidLineError): string {
    return `${printable(this.#name)}:${lineNumber}: ${problem}`;
  }
}
