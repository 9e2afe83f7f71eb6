import { excerpt } from "../text/excerpt.ts";
import { systemReason } from "../system/system_error.ts";
import { TaskScanner } from "../results/task_scanner.ts";
import { JsonScanner } from "../jsonl/json_scanner.ts";
import { textOf } from "../results/span.ts";
import type { TaskPass } from "../results/task_pass.ts";
import { InvalidLineError, type LineReader } from "../jsonl/line_reader.ts";
import { jsonLineReader, type JsonLineReaderOptions } from "../jsonl/jsonl_reader.ts";
import { isWorkflowTask } from "../pool/task_feed.ts";
import { withAllDigits, withDefaultId } from "../records/read_tasks.ts";
import { type CheckedTask, checkTaskLine, markChecked, type Task } from "../records/task.ts";
import { type ByteContents, type ByteSource, openBytes } from "./byte_source.ts";
import type { Io } from "./io.ts";
import { type CountOptions, TaskInput, type TaskInputOptions } from "./task_input.ts";
import { TaskLines } from "./task_lines.ts";
import type { FileTasks } from "./workflow/file_tasks.ts";
import type { FileWorkflow } from "./workflow/file_workflow.ts";

const TASKS = {
  noun: "tasks",
  format: "a file of JSON Lines",
  terminalHint: 'reading tasks from the terminal, one per line, such as {"cmd":"echo hi"}',
} as const satisfies ByteContents;

const COMMANDS_HINT = "; to run each line as a command, write taskrunner each sh -c";

type ReadOptions = JsonLineReaderOptions<Task | undefined>;

/** The tasks of a file in JSON Lines. */
export class TaskFile extends TaskInput {
  readonly name: string;
  readonly isRepeatable: boolean;
  readonly #source: ByteSource;
  /** The first byte of the first line. */
  #firstByte: number | undefined;
  #workflow: FileWorkflow | undefined;

  private constructor(source: ByteSource) {
    super();
    this.name = source.name;
    this.isRepeatable = source.isRepeatable;
    this.#source = source;
  }

  /** Returns the tasks of a file in JSON Lines; of standard input if the path is `-` or missing. */
  static async open(path: string | undefined, io: Io): Promise<TaskFile> {
    return new TaskFile(await openBytes(path ?? "-", TASKS, io));
  }

  override get held(): FileTasks | undefined {
    return this.#workflow?.held;
  }

  /**
   * Yields the tasks that have no result, without those that {@linkcode count} has refused. Throws at an invalid line, or
   * skips the line with a message.
   */
  tasks(options: TaskInputOptions): TaskLines {
    return new TaskLines(() => this.#openLines(options), (error) => this.#explain(error));
  }

  async #openLines(options: TaskInputOptions): Promise<LineReader<Task | undefined>> {
    const scanner = new TaskScanner(new JsonScanner());
    const pass = await passOver(options);
    const { held, refused } = this.#workflow ?? {};
    this.reset();
    await this.#reportRefused(options);
    this.#workflow?.checkVersion();
    const lines = this.#read({
      ...this.#readOptions(options, pass),
      accept: (bytes, begin, end, line) => {
        if (line === 1) this.#firstByte = bytes[begin];
        if (refused?.has(line)) return true;
        if (pass && scanner.scan(bytes, begin, end)) {
          const state = pass.stateOfScanned(bytes, scanner, line);
          if (state && this.isDone(state, state === "changed" && idOf(bytes, scanner), "line", line)) return true;
        }
        held?.note(line, lines.lineBegin, bytes, begin, end);
        return false;
      },
    });
    return lines;
  }

  /**
   * Checks every line as {@linkcode tasks} does, and the tasks of a workflow as a whole. Returns the number of tasks that
   * get a result.
   *
   * @throws an error about a task that can never start, unless invalid lines are skipped. The line of such a task counts as
   * invalid.
   */
  override async count(options: CountOptions): Promise<number> {
    // The check of a stream begins at its first line, because the stream can be read only once.
    this.#workflow = this.#source.path === undefined ? await this.#openWorkflow(options) : undefined;
    const { report } = options;
    let reported = 0;
    let count = await this.#countLines({ ...options, report: (message) => (reported++, report(message)) });
    if (count === undefined) {
      this.#workflow = await this.#openWorkflow(options);
      const reportOthers = async (message: string) => reported-- > 0 ? undefined : await report(message);
      count = (await this.#countLines({ ...options, report: reportOthers }))!;
    }
    this.isWorkflow = this.isReadFirst = this.#workflow?.check?.isWorkflow ?? false;
    if (!this.isWorkflow) this.#workflow = undefined;
    if (!this.#workflow) return count;
    this.#workflow.finishCheck(options.onInvalid);
    await this.#reportRefused(options);
    this.kept = this.#workflow.kept;
    return count - this.#workflow.refusedCount - this.kept;
  }

  /**
   * Reads all lines, and returns the number of tasks that have no result; `undefined` if the tasks are a workflow that has
   * not been opened.
   */
  async #countLines(options: CountOptions): Promise<number | undefined> {
    const scanner = new TaskScanner(new JsonScanner());
    const pass = await passOver(options);
    const check = this.#workflow?.check;
    this.reset();
    let accepted = 0;
    let isStopped = false;
    const stop = () => {
      isStopped = true;
      lines.return().catch(() => {}); // the file is read again
    };
    const lines = this.#read({
      ...this.#readOptions(options, pass, (task, line, isRemaining) => {
        if (check) check.add(task, line, !isRemaining);
        else if (isWorkflowTask(task)) stop();
      }),
      accept: (bytes, begin, end, line) => {
        if (line === 1) this.#firstByte = bytes[begin];
        if (!scanner.scan(bytes, begin, end)) return false;
        if (scanner.isWorkflow && (!check || scanner.usesCapacity)) return false;
        const state = pass?.stateOfScanned(bytes, scanner, line);
        if (pass && !state) return false;
        if (state) this.isDone(state, state === "changed" && idOf(bytes, scanner), "line", line);
        check?.addScanned(bytes, scanner, line, state !== undefined && state !== "remaining");
        accepted++;
        return true;
      },
    });
    try {
      const parsed = await lines.count();
      return isStopped ? undefined : accepted + parsed - this.done;
    } catch (error) {
      throw this.#explain(error);
    }
  }

  async #openWorkflow({ capacity, recorded }: CountOptions): Promise<FileWorkflow> {
    const [{ FileWorkflow }, runCapacity] = await Promise.all([import("./workflow/file_workflow.ts"), capacity()]);
    try {
      return new FileWorkflow(this.#source, runCapacity, recorded);
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Counts the tasks that can never start as invalid lines, and reports them. */
  async #reportRefused({ report }: TaskInputOptions): Promise<void> {
    if (!this.#workflow) return;
    this.invalid += this.#workflow.refusedCount;
    for (const message of this.#workflow.messages) await report(`taskrunner: ${message}`);
  }

  #read(options: ReadOptions): LineReader<Task | undefined> {
    try {
      return jsonLineReader((this.#workflow ?? this.#source).open(), options);
    } catch (error) {
      throw this.#explain(error);
    }
  }

  #readOptions(
    { onInvalid, report }: TaskInputOptions,
    pass: TaskPass | undefined,
    onTask?: (task: CheckedTask, line: number, isRemaining: boolean) => void,
  ): ReadOptions {
    const skip = (error: InvalidLineError) => {
      this.invalid++;
      return report(`taskrunner: ${this.#describe(error)}`);
    };
    return {
      refine: withAllDigits,
      parse: (value, line) => {
        const task = checkTaskLine(value, { lineNumber: line });
        const isRemaining = !pass || !this.isDone(pass.stateOf(task, line, "line"), task.id, "line", line);
        onTask?.(task, line, isRemaining);
        return isRemaining ? markChecked(withDefaultId(task, line)) : undefined;
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
