import { basename } from "node:path";
import { commandHash } from "../../records/command_hash.ts";
import type { TaskResult } from "../../records/result.ts";
import type { CheckedTask } from "../../records/task.ts";
import { LatestFailures } from "../../results/latest_failures.ts";
import { readResults, selectResults } from "../../results/statistics/results_reader.ts";
import { excerpt, printable } from "../../text/excerpt.ts";
import { commandText } from "../../text/shell_quote.ts";
import { failureOf } from "../output/failure_notice.ts";
import { lastLines } from "../output/last_lines.ts";
import { commandLineOf } from "./command_line.ts";
import type { RepeatableResults } from "./results_copy.ts";
import { readTasksById } from "./task_file.ts";

/** Writes text to standard output. */
type Write = (text: string) => Promise<void>;

/** The names that runs give to files with standard error. No other file of a results file is opened. */
const SPILL_FILE = /^\d+(\.\d+)?(-\d+)?\.stderr$/;

/**
 * The failed tasks of results. Reads the results twice instead of keeping them: first to find the last result of each task,
 * then to write the failures among them.
 */
export class FailedTasks {
  /** Number of failed tasks without a command, after {@linkcode writeCommands}. */
  withoutCommand = 0;
  /** Number of failed tasks whose command is not that of their result, after {@linkcode writeCommands}. */
  changed = 0;
  readonly #results: RepeatableResults;
  readonly #failures: LatestFailures;
  /** The failed tasks by their ids, from a task file. */
  #tasks: ReadonlyMap<string, CheckedTask> = new Map();

  private constructor(results: RepeatableResults, failures: LatestFailures) {
    this.#results = results;
    this.#failures = failures;
  }

  /** Finds the failed tasks. */
  static async read(results: RepeatableResults): Promise<FailedTasks> {
    const failures = new LatestFailures();
    await readResults(results.open(), (facts) => failures.add(facts));
    return new FailedTasks(results, failures);
  }

  /** Number of failed tasks. */
  get size(): number {
    return this.#failures.size;
  }

  /** Number of tasks that were skipped. */
  get skipped(): number {
    return this.#failures.skipped;
  }

  /** Number of results, also of the same task. */
  get results(): number {
    return this.#failures.results;
  }

  /** Reads the failed tasks from a task file. */
  async readCommands(path: string): Promise<void> {
    this.#tasks = await readTasksById(path, (id) => this.#failures.failureOf(id) > 0);
  }

  /** Writes the commands as lines for a shell. */
  async writeCommands(write: Write): Promise<void> {
    for await (const result of this.#select()) {
      const task = this.#taskOf(result);
      if (!task) {
        this.withoutCommand++;
        continue;
      }
      if (result.cmdHash !== undefined && commandHash(task.cmd) !== result.cmdHash) this.changed++;
      await write(`${commandLineOf(task)}\n`);
    }
  }

  /** Writes each task with its end, its command and the last lines of its standard error. */
  async writeList(lineCount: number, write: Write): Promise<void> {
    for await (const result of this.#select()) {
      const task = this.#taskOf(result);
      const lines = lineCount === 0 ? [] : await lastLines(trusted(result), lineCount);
      const text = [
        `${excerpt(result.id)} ${failureOf(result)}`,
        ...task ? [`    $ ${printable(commandText(task.cmd))}`] : [],
        ...lines.map((line) => `    ${printable(line)}`),
      ];
      await write(text.map((line) => `${line}\n`).join(""));
    }
  }

  #select(): AsyncGenerator<TaskResult, void> {
    let number = 0;
    return selectResults(this.#results.open(), ({ id }) => this.#failures.failureOf(id) === ++number);
  }

  #taskOf({ id, cmd }: TaskResult): CheckedTask | undefined {
    return this.#tasks.get(id) ?? (cmd === undefined ? undefined : { cmd });
  }
}

/** Removes a reference to a file that no run has made, because anybody may have written the results. */
function trusted(result: TaskResult): TaskResult {
  const { stderrFile } = result;
  if (stderrFile === undefined || SPILL_FILE.test(basename(stderrFile))) return result;
  return { ...result, stderrFile: undefined };
}
