/**
 * A pool in a process of its own, for programs that are large or busy.
 *
 * @module
 */

import { checkOptionNames, type OptionNames } from "../text/unknown_option.ts";
import type { Outcome, TaskResult } from "../records/result.ts";
import { withAllDigits } from "../records/read_tasks.ts";
import type { Run } from "../pool/run.ts";
import { checkRunOptions, run, RUN_OPTION_NAMES, type RunOptions } from "../runner.ts";
import { checkTask, type Task } from "../records/task.ts";
import { lineOfTask } from "../records/task_input.ts";
import { originOf, SeparateRun } from "./separate_run.ts";

/** Options of a {@linkcode TaskRunner}: the options of {@linkcode run}, and the place of the pool. */
export interface TaskRunnerOptions extends Omit<RunOptions, "total"> {
  /**
   * Runs the pool in a process of its own, so that neither the memory nor the work of this program slows down the tasks.
   * With `false` the pool runs in this process, with the same results.
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

/** The approximate length of a chunk of lines. */
const CHUNK_CHARACTERS = 1024 * 1024;

/**
 * Collects tasks, and runs them in a process of its own.
 *
 * `Meta` is the type of `meta` in the tasks and their results.
 *
 * @example
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
 */
export class TaskRunner<Meta = unknown> {
  readonly #options: TaskRunnerOptions;
  readonly #concurrency: number;
  #chunks: string[] = [];
  #chunk = "";
  #count = 0;
  #run: Run<Meta> | undefined;
  #disposals = 0;

  /**
   * Makes a runner without tasks.
   *
   * @param options the concurrency, or options.
   * @throws `RangeError` when an option is out of range, or cannot be sent to another process.
   * @throws `TypeError` when an option is unknown.
   */
  constructor(options: number | TaskRunnerOptions = {}) {
    this.#options = typeof options === "number" ? { concurrency: options } : options;
    checkOptionNames(this.#options, TASK_RUNNER_OPTION_NAMES, "Cannot make the runner");
    const { isolate = true, executor, spawnAdapter, onAttemptStart, onOutput } = this.#options;
    if (isolate && (typeof executor === "object" && !originOf(this.#options) || spawnAdapter)) {
      const option = spawnAdapter ? "a spawnAdapter" : "an executor";
      throw new RangeError(`Cannot make the runner: ${option} of your own needs { isolate: false }`);
    }
    // The pool waits for what these functions do, and so cannot wait for another process.
    if (isolate && (onAttemptStart || onOutput)) {
      const option = onOutput ? "onOutput" : "onAttemptStart";
      throw new RangeError(`Cannot make the runner: ${option} is a function of this process; set { isolate: false }`);
    }
    this.#concurrency = checkRunOptions({ ...this.#options, total: 0 }).concurrency;
  }

  /** The number of tasks added since the last run. */
  get size(): number {
    return this.#count;
  }

  /**
   * Adds a task, without starting anything.
   *
   * @throws {InvalidTaskError} for a value that is not a task; `Error` while a run is under way.
   */
  add(id: string, cmd: Task["cmd"]): void;
  /** Adds a task with all its fields. The default `id` is the number of the task, from 1. */
  add(task: Task<Meta>): void;
  add(task: string | Task<Meta>, cmd?: Task["cmd"]): void {
    if (this.#run) throw new Error("Cannot add a task: the run is under way");
    const checked = checkTask(typeof task === "string" ? { id: task, cmd } : task, { number: this.#count + 1 });
    this.#chunk += `${JSON.stringify(lineOfTask(checked))}\n`;
    this.#count++;
    if (this.#chunk.length < CHUNK_CHARACTERS) return;
    this.#chunks.push(this.#chunk);
    this.#chunk = "";
  }

  /**
   * Runs the added tasks to the end. After that, other tasks can be added and run.
   *
   * @param onResult called for each result, in the order of completion, and awaited before the next result; `completed`
   * counts tasks, not attempts. An error of this function stops the run.
   * @throws the error of `onResult`; the reason of `options.signal`; `Error` when a run is under way or the runner is
   * disposed of meanwhile. Errors of the process keep their class, message, system code and causes.
   * @throws {ResourceShortageError} when the system has too few processes, descriptors or memory to start the process or
   * any task.
   * @throws {ExecutorError} when the executor fails, or when the process cannot start or ends early.
   */
  async runAndWait(
    onResult?: (result: TaskResult<Meta>, completed: number, total: number) => unknown,
  ): Promise<RunSummary> {
    const startedMs = performance.now();
    const summary: RunSummary = { total: this.#count, counts: {}, durationMs: 0, userMs: 0, systemMs: 0 };
    const disposals = this.#disposals;
    let completed = 0;
    for await (const result of this.results()) {
      const { outcome, userMs = 0, systemMs = 0 } = result;
      summary.counts[outcome] = (summary.counts[outcome] ?? 0) + 1;
      summary.userMs += userMs;
      summary.systemMs += systemMs;
      await onResult?.(result, ++completed, summary.total);
    }
    if (disposals !== this.#disposals) throw new Error("The run was ended before its tasks were done");
    summary.durationMs = performance.now() - startedMs;
    return summary;
  }

  /**
   * Runs the added tasks, and returns an iterator over the results with the methods of any {@linkcode Run}.
   *
   * @throws `Error` when a run is under way.
   */
  results(): Run<Meta> {
    if (this.#run) throw new Error("Cannot run the tasks: a run is under way");
    const tasks = { chunks: [...this.#chunks, this.#chunk], count: this.#count };
    this.#forgetTasks();
    const { isolate = true, ...options } = this.#options;
    const results = isolate && tasks.count > 0
      ? new SeparateRun<Meta>(tasks, this.#concurrency, options)
      : run(tasksOf<Meta>(tasks.chunks), { ...options, total: tasks.count });
    const forget = () => this.#run = undefined;
    results.closed.then(forget, forget);
    return this.#run = results;
  }

  /** Ends the current run, and forgets the tasks. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposals++;
    await this.#run?.return();
    this.#forgetTasks();
  }

  #forgetTasks(): void {
    this.#chunks = [];
    this.#chunk = "";
    this.#count = 0;
  }
}

function* tasksOf<Meta>(chunks: readonly string[]): Generator<Task<Meta>, void> {
  for (const chunk of chunks) {
    for (const line of chunk.split("\n")) {
      if (line !== "") yield withAllDigits(JSON.parse(line), line) as Task<Meta>;
    }
  }
}
