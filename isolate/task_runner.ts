/**
 * A pool in a process of its own, for programs that are large or busy.
 *
 * @module
 */

import { checkOptionNames, type OptionNames } from "../text/unknown_option.ts";
import type { Outcome, TaskResult } from "../records/result.ts";
import type { Progress } from "../pool/options.ts";
import type { Run } from "../pool/run.ts";
import { checkRunOptions, RUN_OPTION_NAMES, type RunOptions } from "../runner.ts";
import { checkTask, type Task } from "../records/task.ts";
import { ENTRY } from "./entry.ts";
import { LocalRun } from "./local_run.ts";
import { canStartProcess } from "./runtime_command.ts";
import { originOf, SeparateRun } from "./separate_run.ts";
import { type GrowingRun, TaskLines } from "./task_lines.ts";

/** Options of a {@linkcode TaskRunner}: the options of {@linkcode run}, and where the pool runs. */
export interface TaskRunnerOptions extends Omit<RunOptions, "total"> {
  /**
   * Runs the pool in a process of its own, so that neither the memory nor the work of this program slows down the tasks.
   * With `false`, the pool runs in this process, with the same results.
   *
   * A program that was compiled into an executable, or bundled into one file, has no module that another process could
   * run. By default, the pool then runs in this process, and a notice on standard error reports this; `true` makes it an
   * error.
   *
   * @default {true}
   */
  isolate?: boolean | undefined;
}

/** The names of {@linkcode TaskRunnerOptions}. */
export const TASK_RUNNER_OPTION_NAMES: OptionNames = {
  known: [...RUN_OPTION_NAMES.known.filter((name) => name !== "total"), "isolate"],
  advice: new Map([
    ...[...RUN_OPTION_NAMES.advice].filter(([name]) => name !== "isolate"),
    ["total", "because a TaskRunner counts its tasks itself"],
  ]),
};

/** The summary of a run of a {@linkcode TaskRunner}. */
export interface RunSummary {
  /** The number of added tasks. */
  total: number;
  /** The number of results by outcome; outcomes that did not occur are absent. */
  counts: Partial<Record<Outcome, number>>;
  /** The duration of the run, in milliseconds. */
  durationMs: number;
  /** CPU time of the tasks in user mode, in milliseconds, as far as the executor knows it. */
  userMs: number;
  /** CPU time of the tasks in the kernel, in milliseconds, as far as the executor knows it. */
  systemMs: number;
}

/**
 * Collects tasks, and runs them in a process of its own. Tasks can be added before and during a run.
 *
 * A run ends when each added task has its result and the caller asks for another one: `next()` of the iterator, which a
 * loop calls after its body, and `runAndWait` after `onResult`. A program can therefore add tasks in the loop over the
 * results, in `onResult`, and from anywhere else while a task has no result yet. A task that waits for a task that has not
 * been added does not keep the run open: at the end of the run it is skipped.
 *
 * `Meta` is the type of `meta` in the tasks and their results.
 *
 * @example Run a hundred tasks, four at once
 * ```ts
 * import { TaskRunner } from "@x/taskrunner";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const runner = new TaskRunner(4);
 * for (let i = 1; i <= 100; i++) runner.add(`task_${i}`, `echo ${i}`);
 * let sum = 0;
 * const { counts } = await runner.runAndWait((result, completed, total) => {
 *   sum += Number(result.stdout);
 *   if (completed === total) console.log("the last one");
 * });
 * assertEquals([sum, counts], [5050, { ok: 100 }]);
 * ```
 *
 * @example Add tasks that follow from results
 * ```ts
 * import { TaskRunner } from "@x/taskrunner";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const links: Record<string, string> = { index: "news about", news: "archive", about: "", archive: "" };
 * const runner = new TaskRunner(2);
 * const visit = (page: string) => runner.add(page, ["echo", links[page]!]);
 * visit("index");
 * const visited: string[] = [];
 * for await (const { id, stdout } of runner.results()) {
 *   visited.push(id);
 *   stdout.trim().split(" ").filter((page) => page !== "").forEach(visit);
 * }
 * assertEquals(visited.sort(), ["about", "archive", "index", "news"]);
 * ```
 */
export class TaskRunner<Meta = unknown> {
  readonly #options: TaskRunnerOptions;
  readonly #concurrency: number;
  /** The tasks of the current or the next run. */
  #tasks: TaskLines;
  #run: GrowingRun<Meta> | undefined;
  #disposals = 0;

  /**
   * Creates a runner without tasks.
   *
   * @param options The concurrency, or options.
   * @throws `RangeError` when an option is out of range, or cannot be sent to another process.
   * @throws `TypeError` when an option is unknown.
   */
  constructor(options: number | TaskRunnerOptions = {}) {
    this.#options = typeof options === "number" ? { concurrency: options } : options;
    checkOptionNames(this.#options, TASK_RUNNER_OPTION_NAMES, "Cannot create the runner");
    const { isolate = true, executor, spawnAdapter, onAttemptStart, onOutput, estimateMs } = this.#options;
    if (isolate && (typeof executor === "object" && !originOf(this.#options) || spawnAdapter)) {
      const option = spawnAdapter ? "spawnAdapter" : "executor";
      throw new RangeError(`Cannot create the runner: a custom ${option} needs { isolate: false }`);
    }
    // The pool calls these functions synchronously, which it cannot do across processes.
    if (isolate && (onAttemptStart || onOutput || estimateMs)) {
      const option = onOutput ? "onOutput" : estimateMs ? "estimateMs" : "onAttemptStart";
      throw new RangeError(`Cannot create the runner: ${option} is a function of this process; set { isolate: false }`);
    }
    this.#tasks = new TaskLines(this.#options.recorded);
    this.#concurrency = checkRunOptions({ ...this.#options, total: 0 }).concurrency;
  }

  /** The number of tasks added to the current run or, without one, to the next run. */
  get size(): number {
    return this.#tasks.count;
  }

  /**
   * Adds a task to the current run, where it starts after the tasks added before, or to the next run. Never starts a run.
   *
   * A run takes no more tasks after its end has begun: after a call of `next()` when every task has its result, after
   * `drain()`, `kill()` or `return()`, and after a {@linkcode RunOptions.halt}, an abort of the signal or a failure.
   * Once {@linkcode Run.closed} has settled, tasks are added to the next run.
   *
   * @throws {InvalidTaskError} for a value that is not a task.
   * @throws `Error` when the current run is ending.
   */
  add(id: string, cmd: Task["cmd"]): void;
  /** Adds a task with all its fields. The default `id` is the number of the task in its run, from 1. */
  add(task: Task<Meta>): void;
  add(task: string | Task<Meta>, cmd?: Task["cmd"]): void {
    if (this.#run?.isEnding) throw new Error("Cannot add a task: the run is ending; wait until it has closed");
    const number = this.#tasks.count + 1;
    this.#tasks.add(checkTask(typeof task === "string" ? { id: task, cmd } : task, { number }));
  }

  /**
   * Runs the added tasks, and those added during the run, to the end. The runner can be used again after that.
   *
   * @param onResult Called for each result, in the order of completion, and awaited before the next result; `completed`
   * counts tasks, not attempts, and `total` is the number of tasks added so far. An error of this function stops the run.
   * @throws the error of `onResult`; the reason of `options.signal`; `Error` when another run is in progress, or when
   * the runner is disposed of during the run. Errors of the process keep their class, message, system code and causes.
   * @throws {ResourceShortageError} when the system has too few processes, descriptors or memory to start the process or
   * any task.
   * @throws {ExecutorError} when the executor fails, or when the process cannot start or ends early.
   */
  async runAndWait(
    onResult?: (result: TaskResult<Meta>, completed: number, total: number) => unknown,
  ): Promise<RunSummary> {
    const startedMs = performance.now();
    const tasks = this.#tasks;
    const summary: RunSummary = { total: 0, counts: {}, durationMs: 0, userMs: 0, systemMs: 0 };
    const disposals = this.#disposals;
    let completed = 0;
    const results = this.results();
    for await (const result of results) {
      const { outcome, userMs = 0, systemMs = 0 } = result;
      summary.counts[outcome] = (summary.counts[outcome] ?? 0) + 1;
      summary.userMs += userMs;
      summary.systemMs += systemMs;
      await onResult?.(result, ++completed, tasks.count);
    }
    await results.closed;
    if (disposals !== this.#disposals) throw new Error("Cannot finish the run: the runner was disposed of");
    summary.total = tasks.count;
    summary.durationMs = performance.now() - startedMs;
    return summary;
  }

  /**
   * Runs the added tasks, and those added during the run. Returns an iterator over the results with the methods of any
   * {@linkcode Run}. The run begins with the first call of `next()`; {@linkcode Run.closed} settles after the caller has
   * taken the last result or called `return()`.
   *
   * A {@linkcode RunOptions.halt} at a percentage counts the tasks added before this call. {@linkcode Progress.total} is the
   * number of tasks added so far.
   *
   * @throws `Error` when another run is in progress.
   */
  results(): Run<Meta> {
    if (this.#run) throw new Error("Cannot run the tasks: another run is in progress");
    const { isolate = canStartProcess(ENTRY), onProgress, ...rest } = this.#options;
    const tasks = this.#tasks;
    const options: RunOptions = { ...rest, total: tasks.count };
    if (onProgress) options.onProgress = (progress: Progress) => onProgress({ ...progress, total: tasks.count });
    const results = isolate
      ? new SeparateRun<Meta>(tasks, this.#concurrency, options)
      : new LocalRun<Meta>(tasks, options);
    const forget = () => {
      this.#run = undefined;
      this.#tasks = new TaskLines(this.#options.recorded);
    };
    results.closed.then(forget, forget);
    return this.#run = results;
  }

  /** Ends the current run, or discards the tasks of the next run. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposals++;
    if (this.#run) await this.#run.return();
    else this.#tasks = new TaskLines(this.#options.recorded);
  }
}
