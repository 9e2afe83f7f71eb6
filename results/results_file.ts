/**
 * A results file: lock, append, repair and resuming.
 *
 * @module
 */

import { fstatSync } from "node:fs";
import { type FileHandle, stat } from "node:fs/promises";
import { addJsonLine, JsonLinesWriter } from "../jsonl/jsonl_writer.ts";
import { type Source, SourceReader } from "../jsonl/source.ts";
import type { RecordedOutcomes } from "../pool/workflow/source_facts.ts";
import { type Outcome, parseResult, type TaskResult } from "../records/result.ts";
import { checkTask, type Task } from "../records/task.ts";
import { type FileLock, lockFile } from "../system/file_lock.ts";
import { pathOfUrl } from "../system/file_path.ts";
import { openForAppending } from "../system/special_file.ts";
import { systemCode } from "../system/system_error.ts";
import { writeAll, writeAllSync } from "../system/write_all.ts";
import { excerpt } from "../text/excerpt.ts";
import { checkOptionNames, optionNames } from "../text/unknown_option.ts";
import { readRecordedResults } from "./recorded_results.ts";
import type { ResultIndex, TaskState } from "./result_index.ts";
import { NOT_REGULAR, type ResultsEnd } from "./results_end.ts";
import { CANNOT_RESUME, ResultsFileError, type ResultsFileErrorKind, writeError } from "./results_file_error.ts";
import { TaskPass } from "./task_pass.ts";

const LF = 0x0a;
const OPTION_NAMES = optionNames({
  resume: { otherNames: "append keep" },
  retryFailed: { otherNames: "resumeFailed" },
  signal: { otherNames: "abortSignal" },
});

/** Options of {@linkcode ResultsFile.open}. */
export interface ResultsFileOptions {
  /**
   * Keeps the results that the file has, so that {@linkcode ResultsFile.remaining} can skip their tasks. Without this
   * option the file must be new or empty.
   *
   * @default {false}
   */
  resume?: boolean | undefined;
  /**
   * With `resume`: runs every task again whose latest outcome is not `ok`, not only canceled tasks.
   *
   * @default {false}
   */
  retryFailed?: boolean | undefined;
  /**
   * A signal that stops `open` while it waits for the reader of a FIFO or reads results. `open` then rejects with the reason of the signal.
   */
  signal?: AbortSignal | undefined;
}

let readIndex: (file: ResultsFile) => ResultIndex | undefined;
let appendUnchecked: (file: ResultsFile, result: TaskResult) => Promise<void> | undefined;

/**
 * A file with one result on each line. While the file is open, other programs that use this class or the command cannot
 * write to it.
 *
 * - `open` locks the file as flock(2) does. The system releases the lock when the program ends.
 * - With `resume`, `open` reads the results, and removes an incomplete last line that a power cut, a full disk or SIGKILL
 *   left. Reading a million results takes 2 to 3 s, and less than 64 bytes of memory each.
 * - The file always ends with a complete line, even after a failed write.
 * - A device such as `/dev/stdout` or a FIFO also works, without a lock and without `resume`.
 *
 * An appended result survives the end of the program, even by SIGKILL. Writes are not synchronized to the disk: after a
 * power cut, the last results can be missing, and their tasks run again.
 *
 * @example Resume a run
 * ```ts
 * import { ResultsFile, run } from "@x/taskrunner";
 * import { assertEquals } from "@std/assert/equals";
 * import { mkdtemp } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 *
 * const path = `${await mkdtemp(`${tmpdir()}/results-`)}/results.jsonl`;
 * const tasks = [{ id: "a", cmd: "echo hi" }, { id: "b", cmd: "echo ho" }];
 *
 * async function runOrResume(): Promise<string[]> {
 *   await using file = await ResultsFile.open(path, { resume: true });
 *   const ids: string[] = [];
 *   for await (const result of run(file.remaining(tasks), { concurrency: 1, spillDir: file.spillDir })) {
 *     await file.append(result);
 *     ids.push(result.id);
 *   }
 *   return ids;
 * }
 *
 * assertEquals(await runOrResume(), ["a", "b"]);
 * assertEquals(await runOrResume(), []);
 * tasks.push({ id: "c", cmd: "echo hey" });
 * assertEquals(await runOrResume(), ["c"]);
 * ```
 */
export class ResultsFile implements AsyncDisposable, RecordedOutcomes {
  /** The path of the file, as given. */
  readonly path: string;
  readonly #file: FileHandle;
  readonly #writer: JsonLinesWriter;
  /** True when the lines of a turn of the event loop are written together. */
  #gathersLines = false;
  readonly #changed = new Set<string>();
  /** Regular files have a lock. */
  #lock: FileLock | undefined;
  /** Files opened with `resume` have an index. */
  #index: ResultIndex | undefined;
  #repairedBytes = 0;
  #size = 0;
  /** The size up to the end of the last complete line. */
  #wholeBytes = 0;
  /** Some file systems do not count names. */
  #hadName = false;
  #isFailureReported = false;
  /** The first call of `close`. */
  #closing: Promise<void> | undefined;

  static {
    readIndex = (file) => file.#index;
    appendUnchecked = (file, result) => file.#appendGathered(result);
  }

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
    this.#writer = new JsonLinesWriter({
      write: (lines) => this.#write(lines),
      ready: () => this.#gathersLines ? endOfTurn() : undefined,
    });
  }

  /**
   * Opens a results file, and creates it when it is missing.
   *
   * @param path path of the file, or a `file:` URL.
   * @throws {ResultsFileError} when the file is locked, not empty without `resume`, not a results file, or not writable;
   * `kind` tells these apart.
   * @throws `TypeError` for an unknown option, or `retryFailed` without `resume`.
   */
  static async open(path: string | URL, options: ResultsFileOptions = {}): Promise<ResultsFile> {
    checkOptionNames(options, OPTION_NAMES, "Cannot open the results file");
    const { resume = false, retryFailed = false, signal = new AbortController().signal } = options;
    if (retryFailed && !resume) throw new TypeError('Cannot open the results file: "retryFailed" needs "resume"');
    const filePath = path instanceof URL ? pathOfUrl(path) : path;
    let results: ResultsFile | undefined;
    try {
      signal.throwIfAborted();
      if (resume) await checkRegular(filePath);
      results = new ResultsFile(filePath, await openForAppending(filePath, signal));
      await results.#lockRegular();
      if (resume) await results.#resume(retryFailed, signal);
      else if (results.#size > 0) {
        results.#fail("not-empty", "it is not empty; resume it, remove it, or use another file");
      }
      return results;
    } catch (error) {
      if (results) await results.#release();
      signal.throwIfAborted();
      throw writeError(filePath, error);
    }
  }

  /** The reason why the file has no lock; usually `undefined`. Without a lock, a second writer goes unnoticed. */
  get lockProblem(): string | undefined {
    return this.#lock?.problem;
  }

  /** The size in bytes of the incomplete line that `open` removed from the end. Its task runs again. */
  get repairedBytes(): number {
    return this.#repairedBytes;
  }

  /**
   * The directory next to the file for output that is too large for a line, for the option `spillDir` of `run()`;
   * `undefined` for a pipe or a device.
   */
  get spillDir(): string | undefined {
    return this.#isRegular ? `${this.path}.output` : undefined;
  }

  /**
   * Number of tasks with a result in the file, canceled tasks included.
   *
   * @throws `TypeError` when the file was opened without `resume`.
   */
  get size(): number {
    return this.#requireIndex().size;
  }

  /**
   * The ids of tasks that {@linkcode remaining} skipped although their command differs from the command of their result. A
   * result that is appended later removes the id of its task.
   */
  get changed(): ReadonlySet<string> {
    return this.#changed;
  }

  /**
   * Returns the state of a task: `remaining`, `done`, or `changed` for a result of a different command. Includes appended
   * results.
   *
   * @throws `RangeError` when the task has no id.
   * @throws `TypeError` when the file was opened without `resume`.
   */
  stateOf(task: Task): TaskState {
    return this.#requireIndex().stateOf(task);
  }

  /**
   * Returns the outcome of the latest result of a task, for the option `recorded` of `run()`; `undefined` without a result,
   * and for a canceled task. Includes appended results.
   *
   * @throws `TypeError` when the file was opened without `resume`.
   *
   * @example Resume a run with a new task that depends on a finished one
   * ```ts
   * import { ResultsFile, run } from "@x/taskrunner";
   * import { assertEquals } from "@std/assert/equals";
   * import { mkdtemp } from "node:fs/promises";
   * import { tmpdir } from "node:os";
   *
   * const path = `${await mkdtemp(`${tmpdir()}/results-`)}/results.jsonl`;
   * await using file = await ResultsFile.open(path, { resume: true });
   *
   * for await (const result of run([{ id: "build", cmd: "true" }])) await file.append(result);
   * assertEquals([file.outcomeOf("build"), file.outcomeOf("test")], ["ok", undefined]);
   *
   * const tasks = [{ id: "build", cmd: "true" }, { id: "test", cmd: "echo tested", after: "build" }];
   * const ids: string[] = [];
   * for await (const result of run(file.remaining(tasks), { recorded: file })) {
   *   await file.append(result);
   *   ids.push(result.id);
   * }
   * assertEquals([ids, file.outcomeOf("test")], [["test"], "ok"]);
   * ```
   */
  outcomeOf(id: string): Outcome | undefined {
    return this.#requireIndex().outcomeOf(id);
  }

  /**
   * Iterates over the tasks that have to run: tasks without a result, canceled tasks and, with `retryFailed`, tasks that
   * are not `ok`. Includes appended results, so a later call returns only the tasks that remain.
   *
   * Of a workflow, pass the file to the run as `recorded`. With `retryFailed`, the run then keeps the result of a skipped task
   * unless one of the prerequisites of the task runs again.
   *
   * The tasks may come in any order. Each needs a unique id. A task whose command has changed is skipped, and its id is in
   * {@linkcode changed}.
   *
   * @throws `TypeError` when the file was opened without `resume`.
   * @throws `RangeError` (from the iterator) when a task has no id, or the id of another task.
   */
  remaining<Meta = unknown>(tasks: Source<Task<Meta>>): AsyncGenerator<Task<Meta>, void> {
    return this.#remaining(new TaskPass(this.#requireIndex()), tasks);
  }

  /**
   * Appends a result. For a regular file, the call settles when the operating system has the line. For other files, it
   * settles immediately, unless 1 Mi characters are waiting for the reader.
   *
   * @throws {ResultsFileError} when the disk is full, the reader of a pipe is gone, or another program removed, replaced or
   * changed the file. Later calls throw the same error.
   * @throws `TypeError` or `RangeError` when the value is not a result.
   * @throws `Error` after {@linkcode close}.
   */
  async append(result: TaskResult): Promise<void> {
    parseResult(result);
    await this.#append(result);
  }

  /**
   * Waits until the operating system has all results. After a call of {@linkcode close}, only waits for its end.
   *
   * @throws {ResultsFileError} as {@linkcode append}.
   */
  async flush(): Promise<void> {
    if (this.#closing) return await this.close();
    try {
      await this.#writer.flush();
    } catch (error) {
      throw this.#reported(error);
    }
  }

  /**
   * Writes the remaining results, closes the file and releases the lock. Results of appends that have not settled are written
   * as well. Further calls wait for the first call, and never throw. Lookups still work afterwards.
   *
   * @throws {ResultsFileError} when results could not be written, or the file was removed, replaced or changed after the
   * last of them. An error that `append` or `flush` threw before is not thrown again.
   */
  async close(): Promise<void> {
    if (this.#closing) return await this.#closing.catch(() => {});
    this.#closing = this.#close();
    await this.#closing;
  }

  /** Closes the file, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    try {
      if (this.#isFailureReported) return;
      await this.#writer.flush();
      this.#check();
    } finally {
      await this.#release();
    }
  }

  async #append(result: TaskResult): Promise<void> {
    this.#checkOpen();
    this.#gathersLines = false;
    try {
      await this.#writer.write(result);
      if (this.#isRegular) await this.#writer.flush();
    } catch (error) {
      throw this.#reported(error);
    }
    this.#noteResult(result);
  }

  /** Writes the line at the end of the turn of the event loop, together with others. */
  #appendGathered(result: TaskResult): Promise<void> | undefined {
    this.#checkOpen();
    this.#gathersLines = true;
    try {
      const wait = addJsonLine(this.#writer, result);
      this.#noteResult(result);
      return wait?.catch((error) => {
        throw this.#reported(error);
      });
    } catch (error) {
      throw this.#reported(error);
    }
  }

  #checkOpen(): void {
    if (this.#closing) throw new Error(`Cannot write results to ${excerpt(this.path)}: the file is closed`);
  }

  #noteResult(result: TaskResult): void {
    this.#index?.add(result);
    this.#changed.delete(result.id);
  }

  get #isRegular(): boolean {
    return this.#lock !== undefined;
  }

  async #lockRegular(): Promise<void> {
    const status = await this.#file.stat();
    if (!status.isFile()) return;
    this.#lock = await lockFile(this.#file, this.path);
    if (!this.#lock) this.#fail("locked", "another run is writing to it");
    const { size, nlink } = await this.#file.stat();
    this.#size = size;
    this.#wholeBytes = size;
    this.#hadName = nlink > 0;
  }

  async #resume(retryFailed: boolean, signal: AbortSignal): Promise<void> {
    const recorded = await readRecordedResults(this.path, { retryFailed, signal });
    this.#check();
    this.#index = recorded.index;
    await this.#repair(recorded.end);
  }

  async #repair({ wholeBytes, tornBytes, lacksNewline }: ResultsEnd): Promise<void> {
    if (tornBytes > 0) await this.#file.truncate(wholeBytes);
    this.#repairedBytes = tornBytes;
    this.#size = wholeBytes;
    this.#wholeBytes = wholeBytes;
    if (lacksNewline) await this.#write(new Uint8Array([LF]));
  }

  #requireIndex(): ResultIndex {
    if (this.#index) return this.#index;
    throw new TypeError("Cannot look up results: the file was opened without resume: true");
  }

  async *#remaining<Meta>(pass: TaskPass, tasks: Source<Task<Meta>>): AsyncGenerator<Task<Meta>, void> {
    const source = new SourceReader(tasks);
    try {
      let next = await source.next();
      for (let number = 1; !next.done; number++) {
        const task = checkTask(next.value, { number });
        const state = pass.stateOf(task, number, "task");
        if (state === "changed") this.#changed.add(String(task.id));
        if (state === "remaining") yield task as Task<Meta>;
        next = await source.next();
      }
    } finally {
      await source.cancel();
    }
  }

  /** Writes complete lines, or a part of a long line. */
  async #write(lines: Uint8Array): Promise<void> {
    this.#check();
    try {
      if (this.#isRegular) writeAllSync(this.#file, lines);
      else await writeAll(this.#file, lines);
      this.#size += lines.length;
      if (lines.at(-1) === LF) this.#wholeBytes = this.#size;
    } catch (error) {
      if (this.#isRegular) await this.#removeTornLine(lines);
      throw writeError(this.path, error);
    }
  }

  /**
   * Throws when the file was removed, replaced or changed, because results would be lost or follow half of a line.
   * Allows renaming.
   */
  #check(): void {
    if (!this.#isRegular) return;
    const { nlink, size } = fstatSync(this.#file.fd);
    const isGone = nlink === 0 && this.#hadName;
    if (!isGone && size === this.#size) return;
    const event = isGone ? "was removed or replaced" : "was changed by another program";
    this.#fail("modified", `the file ${event} while the run wrote to it`);
  }

  /** Removes the incomplete line of a failed write, for example on a full disk. */
  async #removeTornLine(lines: Uint8Array): Promise<void> {
    const written = (await this.#file.stat()).size - this.#size;
    const whole = lines.subarray(0, written).lastIndexOf(LF) + 1;
    await this.#file.truncate(whole > 0 ? this.#size + whole : this.#wholeBytes);
  }

  #fail(kind: ResultsFileErrorKind, reason: string): never {
    throw new ResultsFileError("Cannot write results to", this.path, kind, reason);
  }

  /** Records an error that the caller receives, so that `close` does not throw it again. */
  #reported(error: unknown): unknown {
    this.#isFailureReported ||= error instanceof ResultsFileError;
    return error;
  }

  async #release(): Promise<void> {
    await this.#file.close();
    this.#lock?.release();
  }
}

/** Returns the index of a file that was opened with `resume`, for lookups without a task object. */
export function indexOfResultsFile(file: ResultsFile): ResultIndex | undefined {
  return readIndex(file);
}

/**
 * Appends a result of a run without validating it again. Does not wait until the system has the line: an error of the file
 * may be that of an earlier result. Returns a promise when the next result has to wait.
 */
export function appendOwnResult(file: ResultsFile, result: TaskResult): Promise<void> | undefined {
  return appendUnchecked(file, result);
}

function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Avoids opening a FIFO, which would wait for its reader, because only a regular file can be resumed. */
async function checkRegular(path: string): Promise<void> {
  const isRegular = await stat(path).then((status) => status.isFile(), (error) => {
    if (systemCode(error) === "ENOENT") return true;
    throw error;
  });
  if (!isRegular) throw new ResultsFileError(CANNOT_RESUME, path, "invalid", NOT_REGULAR);
}
