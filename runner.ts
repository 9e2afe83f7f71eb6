/** `run()` and `createPool()`: a scheduler with the executor that the options choose. @module */

import {
  createExecutor,
  EXECUTORS,
  executorSettings,
  type InternalExecutorOptions,
  type LocalExecutorOptions,
} from "./executors/mod.ts";
import { EXECUTOR_OPTION_NAMES } from "./executors/option_names.ts";
import type { Source } from "./jsonl/source.ts";
import { CheckedExecutor } from "./pool/checked_executor.ts";
import { type Executor, type ExecutorFactory, isExecutorFactory } from "./pool/executor.ts";
import { POOL_OPTION_NAMES } from "./pool/option_names.ts";
import { type PoolOptions, type PoolSettings, poolSettings } from "./pool/options.ts";
import { PooledRun, type Run } from "./pool/run.ts";
import { QueuedTaskPool, type TaskPool, type TaskPoolOptions } from "./pool/task_pool.ts";
import type { SourceFacts } from "./pool/workflow/source_facts.ts";
import type { Task } from "./records/task.ts";
import { TASK_FIELD_NAMES } from "./records/task_field_names.ts";
import { excerpt } from "./text/excerpt.ts";
import { checkOptionNames, joinOptionNames, type OptionNames, optionNames } from "./text/unknown_option.ts";

/** Options for the execution of attempts. */
export interface ExecutorOptions extends LocalExecutorOptions {
  /**
   * The executor of the attempts. `shell` reuses one shell for each slot, and starts a new process only for commands that
   * need one. `process` starts a new process for each attempt. `natsExecutor()` of `@x/taskrunner/nats` sends attempts to
   * workers on other machines.
   *
   * @default {"shell"}
   */
  executor?: "shell" | "process" | ExecutorFactory | Executor | undefined;
}

/** Options of {@linkcode run}. */
export interface RunOptions extends PoolOptions, ExecutorOptions {}

/** The names of {@linkcode RunOptions}. */
export const RUN_OPTION_NAMES: OptionNames = joinOptionNames(
  POOL_OPTION_NAMES,
  optionNames({ executor: {} }),
  EXECUTOR_OPTION_NAMES,
  TASK_FIELD_NAMES,
  {
    known: [],
    advice: new Map([
      ["isolate", "which is an option of TaskRunner"],
      ["nats", 'use "executor": natsExecutor(…) of @x/taskrunner/nats'],
    ]),
  },
);

/**
 * Runs tasks in a bounded pool of processes, and yields one result for each task.
 *
 * The first call of `next()` starts the run. A task is read only when a slot is free, and no task starts while `concurrency`
 * results wait for the caller, so memory depends on the concurrency, not on the number of tasks. A failed task is not an
 * error: its result has the outcome.
 *
 * To stop early, leave the loop (`break`, `return`, an exception), call `return()`, use `await using`, or abort
 * `options.signal`. Each of these ends the process groups of the running tasks, including children and grandchildren, but
 * not processes that a task moved to a new session, as setsid(1) does.
 *
 * @param tasks an array, a generator or a stream of tasks, such as {@linkcode readTasks}. When reading fails, or a value is
 * not a {@linkcode Task}, the running tasks finish, the iterator yields their results, and then throws the error. The type
 * of `meta` in the tasks is inferred, and is also the type of `meta` in the results.
 * @throws `RangeError` when an option is out of range; `TypeError` when an option is unknown or `tasks` cannot be
 * iterated; `Error` when the load or the free memory of the system cannot be read and an option needs it.
 * @throws {InvalidTaskError} (from the iterator) for a value that is not a task.
 * @throws {InvalidLineError} (from the iterator) for a line that `readTasks` cannot read.
 * @throws {ResourceShortageError} (from the iterator) when the system has too few processes, descriptors or memory to
 * start any task.
 * @throws {ExecutorError} (from the iterator) when the executor fails; the `cause` is its error.
 *
 * @example Run commands, two at once
 * ```ts
 * import { run } from "@x/taskrunner";
 * import { assertEquals } from "@std/assert/equals";
 *
 * let sum = 0;
 * for await (const result of run([{ cmd: "echo 1" }, { cmd: ["echo", "2"] }], { concurrency: 2 })) {
 *   sum += Number(result.stdout);
 * }
 * assertEquals(sum, 3);
 * ```
 *
 * @example Carry data from a task to its result
 * ```ts
 * import { run } from "@x/taskrunner";
 * import { assertEquals } from "@std/assert/equals";
 *
 * for await (const { meta } of run([{ cmd: "echo hi", meta: { line: 7 } }])) {
 *   const line: number | undefined = meta?.line;
 *   assertEquals(line, 7);
 * }
 * ```
 *
 * @example Stop at the first failure
 * ```ts
 * import { run } from "@x/taskrunner";
 * import { assertEquals } from "@std/assert/equals";
 *
 * await using results = run([{ cmd: "exit 3" }, { cmd: "sleep 60" }], { concurrency: 2 });
 * for await (const { id, status, outcome } of results) {
 *   if (outcome === "ok") continue;
 *   assertEquals([id, status, outcome], ["1", 3, "failed"]);
 *   break; // ends the sleep
 * }
 * ```
 */
export function run<Meta = unknown>(
  // The array type, although a `Source` includes it, makes the compiler name the wrong field of a task in a literal.
  tasks: Task<Meta>[] | Source<Task<Meta>>,
  options: RunOptions = {},
): Run<Meta> {
  return startRun(tasks, options);
}

/**
 * {@linkcode run} for the command, which reports the number of running tasks, and may know facts about its tasks. With
 * `isLazy`, the caller releases the texts of each result with `releaseLazyTexts()`.
 */
export function startRun<Meta>(
  tasks: Source<Task<Meta>>,
  options: RunOptions,
  facts?: SourceFacts,
  internal: Pick<InternalExecutorOptions, "isLazy"> = {},
): PooledRun<Meta> {
  checkOptionNames(options, RUN_OPTION_NAMES, "Cannot start the pool");
  return new PooledRun(tasks, options, chooseExecutor(options, internal), facts);
}

/** Options of {@linkcode createPool}. */
export interface CreatePoolOptions extends TaskPoolOptions, ExecutorOptions {}

const WORKFLOW_OPTIONS = ["resources", "maxWaiting", "estimateMs", "recorded"];
const OPTIONS_OF_RUN = ["halt", "keepOrder", "total", ...WORKFLOW_OPTIONS];

/** The names of {@linkcode CreatePoolOptions}. */
const CREATE_POOL_OPTION_NAMES: OptionNames = {
  known: RUN_OPTION_NAMES.known.filter((name) => !OPTIONS_OF_RUN.includes(name)),
  advice: new Map([
    ...RUN_OPTION_NAMES.advice,
    ["halt", "because a pool has no end: dispose of the pool to stop its tasks"],
    ["keepOrder", "because each task has its own promise: await the promises in order"],
    ["total", "because a pool has no end"],
    ...WORKFLOW_OPTIONS.map((name): [string, string] => [name, "which is an option of run() and TaskRunner"]),
  ]),
};

/**
 * Creates a bounded pool. A program can add tasks at any time, and gets a promise for the result of each, as with execa and
 * p-limit or p-queue. The pool uses the executors of {@linkcode run}.
 *
 * The first task starts the pool. When no task has run for 100 milliseconds, the pool ends its shells, so that an open pool
 * does not keep the program alive; the next task starts them again. A pool with a remote executor stays connected until
 * `close()` or the end of an `await using` block.
 *
 * An error of `onProgress`, `onOutput` or `onAttemptStart` ends the running tasks and rejects every task without a result;
 * when all tasks have a result, the error is dropped.
 *
 * @throws `RangeError` when an option is out of range; `TypeError` when an option is unknown; `Error` when the load or the
 * free memory of the system cannot be read and an option needs it.
 *
 * @example Run commands, four at once
 * ```ts
 * import { createPool } from "@x/taskrunner";
 * import { assertEquals } from "@std/assert/equals";
 *
 * await using pool = createPool({ concurrency: 4 });
 * const results = await Promise.all(["a", "b", "c"].map((name) => pool.run(["echo", name])));
 * assertEquals(results.map(({ stdout }) => stdout), ["a\n", "b\n", "c\n"]);
 * ```
 *
 * @example Cancel one task
 * ```ts
 * import { createPool } from "@x/taskrunner";
 * import { assertEquals } from "@std/assert/equals";
 *
 * await using pool = createPool();
 * const controller = new AbortController();
 * const promise = pool.run("sleep 60", { signal: controller.signal });
 * controller.abort();
 * assertEquals(await promise.catch(({ name }) => name), "AbortError");
 * ```
 */
export function createPool(options: CreatePoolOptions = {}): TaskPool {
  checkOptionNames(options, CREATE_POOL_OPTION_NAMES, "Cannot create the pool");
  const { executor } = options;
  const isLocal = typeof executor !== "object";
  const isSingleUse = !isLocal && !isExecutorFactory(executor);
  let isUsed = false;
  return new QueuedTaskPool(options, () => {
    if (isSingleUse && isUsed) throw new Error("Cannot run a task: the executor has failed and cannot be opened again");
    isUsed = true;
    return chooseExecutor(options);
  }, isLocal);
}

/**
 * Checks the options of a run without creating its executor.
 *
 * @returns the settings that its pool has.
 * @throws `RangeError` for an option that is out of range, `TypeError` for an unknown key in `retry` or `halt`.
 */
export function checkRunOptions(options: RunOptions): PoolSettings {
  executorSettings(options);
  return poolSettings(options, undefined, executorTraits(checkedExecutor(options)));
}

/**
 * Creates the executor that the options of a run choose.
 *
 * @throws `RangeError` for an option that is out of range.
 */
export function chooseExecutor(
  options: RunOptions,
  internal: Pick<InternalExecutorOptions, "isLazy"> = {},
): Executor {
  const executor = checkedExecutor(options);
  if (typeof executor === "string") return createExecutor({ ...options, ...internal, executor });
  const settings = executorSettings(options);
  return new CheckedExecutor(isExecutorFactory(executor) ? executor.create(settings) : executor);
}

/** Returns the option `executor`, or its default. */
function checkedExecutor({ executor = "shell" }: RunOptions): NonNullable<RunOptions["executor"]> {
  if (EXECUTORS.includes(executor as typeof EXECUTORS[number]) || typeof executor === "object" && executor !== null) {
    return executor;
  }
  const known = `${EXECUTORS.join(", ")} or an executor such as natsExecutor(…)`;
  throw new RangeError(`Cannot start the pool: executor must be ${known}, got ${excerpt(executor)}`);
}

/** Returns the properties of an executor on which the settings of its pool depend. */
function executorTraits(
  executor: NonNullable<RunOptions["executor"]>,
): Pick<Executor, "concurrency" | "reportsOutput"> {
  if (typeof executor === "string") return { reportsOutput: true };
  // Only the executor itself knows whether it reports output, so the run checks that.
  return isExecutorFactory(executor) ? { concurrency: executor.concurrency, reportsOutput: true } : executor;
}
