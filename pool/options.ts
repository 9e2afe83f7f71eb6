import { availableParallelism } from "node:os";
import type { AttemptHooks, AttemptStart } from "./attempt_hooks.ts";
import { type Halt, type HaltPolicy, haltPolicy } from "./halt.ts";
import { excerpt } from "../text/excerpt.ts";
import { type RetryOptions, type RetryPolicy, retryPolicy } from "./retry.ts";
import type { StartLimits, ThrottleReason } from "./start_limiter.ts";
import type { Executor } from "./executor.ts";
import type { LiveOutputOptions } from "./live_output.ts";
import { MAX_TIMEOUT_MS } from "../records/task.ts";
import { type WorkflowOptions, type WorkflowSettings, workflowSettings } from "./workflow_options.ts";

/** The progress of a run. */
export interface Progress {
  /** The number of tasks; `undefined` when it is unknown. */
  total: number | undefined;
  /** The number of tasks with a result. */
  finished: number;
  /** The number of results whose outcome is not `ok`, `canceled` or `skipped`. */
  failed: number;
  /** The number of running tasks. */
  running: number;
  /** The number of tasks that wait for a retry. */
  retrying: number;
  /** The limit that delays the next start while a slot is free; absent when no limit does. */
  throttledBy?: ThrottleReason | undefined;
}

/** Options for the scheduling of tasks. */
export interface PoolOptions extends LiveOutputOptions, WorkflowOptions {
  /**
   * The maximum number of tasks that run at once.
   *
   * @default the number of CPUs that this process may use; 10,000 when the tasks run on other machines
   */
  concurrency?: number | undefined;
  /**
   * Yields results in the order of the tasks instead of the order of completion. No task starts while an unfinished task
   * holds up 1,000 results, or 4 times the concurrency if that is more.
   *
   * @default {false}
   */
  keepOrder?: boolean | undefined;
  /**
   * A signal that stops the run. When it is aborted, no task starts, and running tasks are terminated with the outcome
   * `canceled`. After the last result, the iterator throws the reason of the signal.
   *
   * @default no signal
   */
  signal?: AbortSignal | undefined;
  /**
   * The time limit of an attempt, in milliseconds, for tasks without `timeoutMs`.
   *
   * @default no limit
   */
  timeoutMs?: number | undefined;
  /**
   * The time from SIGTERM to SIGKILL when a task is terminated, in milliseconds.
   *
   * @default {5_000}
   */
  killAfterMs?: number | undefined;
  /**
   * The conditions and delays of retries. A number is short for `{ limit: … }`.
   *
   * @default no retries, unless a task has `retries`
   */
  retry?: number | RetryOptions | undefined;
  /**
   * The minimum time between two starts, in milliseconds, as with GNU parallel's `--delay`.
   *
   * @default {0}
   */
  startDelayMs?: number | undefined;
  /**
   * The load at which no more tasks start, as with GNU parallel's `--load`. The load is the number of threads of all
   * visible processes that run, wait for a CPU or wait for a disk.
   *
   * @default no limit
   */
  maxLoad?: number | undefined;
  /**
   * The number of free bytes of memory below which no task starts, as with GNU parallel's `--memfree`. In a control group
   * with a memory limit, such as a container, the free bytes within that limit count. Running tasks are not affected.
   *
   * @default no limit
   */
  minFreeMemoryBytes?: number | undefined;
  /**
   * The condition for an early end of the run; `{}` ends the run at the first failure. The iterator then ends without
   * an error, and {@linkcode Run.haltedBy} is the result that met the condition.
   *
   * @default the run ends after all tasks
   */
  halt?: Halt | undefined;
  /**
   * The number of tasks, for {@linkcode PoolOptions.halt} at a percentage and for {@linkcode Progress}.
   *
   * @default the length of an array of tasks
   */
  total?: number | undefined;
  /**
   * Called when a task starts, is delayed by a limit, or has its result. An error thrown by the callback stops the run.
   *
   * @default no callback
   */
  onProgress?: ((progress: Progress) => void) | undefined;
  /**
   * Called synchronously before each attempt, retries included. May return variables for the environment of the attempt
   * and a callback for its end. An error thrown by the callback stops the run; the attempt then does not start.
   *
   * @default no callback
   *
   * @example Pass a trace id to each attempt, and record how it ends
   * ```ts
   * import { run } from "@x/taskrunner";
   * import { assertEquals } from "@std/assert/equals";
   *
   * const endings: string[] = [];
   * const results = run([{ id: "a", cmd: 'echo "$TRACE"' }], {
   *   onAttemptStart: ({ id, number }) => ({
   *     env: { TRACE: `${id}/${number}` },
   *     onEnd: (result) => endings.push(result?.ending.kind ?? "unknown"),
   *   }),
   * });
   * for await (const { stdout } of results) assertEquals(stdout, "a/1\n");
   * assertEquals(endings, ["exited"]);
   * ```
   */
  onAttemptStart?: ((attempt: AttemptStart) => AttemptHooks | undefined) | undefined;
  /**
   * Copies the command of each task to its result, as {@linkcode TaskResult.cmd}. Do not record commands that contain
   * secrets.
   *
   * @default {false}
   *
   * @example Name the commands that failed
   * ```ts
   * import { run } from "@x/taskrunner";
   * import { assertEquals } from "@std/assert/equals";
   *
   * for await (const { outcome, cmd } of run([{ cmd: ["ls", "no-such-file"] }], { recordCommand: true })) {
   *   if (outcome !== "ok") assertEquals(cmd, ["ls", "no-such-file"]);
   * }
   * ```
   */
  recordCommand?: boolean | undefined;
}

/** {@linkcode PoolOptions}, checked and complete. */
export interface PoolSettings {
  concurrency: number;
  keepOrder: boolean;
  signal: AbortSignal | undefined;
  timeoutMs: number | undefined;
  killAfterMs: number;
  retry: RetryPolicy;
  startLimits: StartLimits | undefined;
  halt: HaltPolicy | undefined;
  total: number | undefined;
  onProgress: ((progress: Progress) => void) | undefined;
  onAttemptStart: PoolOptions["onAttemptStart"];
  onOutput: PoolOptions["onOutput"];
  outputBy: "line" | "lines" | "chunk";
  recordCommand: boolean;
  workflow: WorkflowSettings;
}

/** The default of {@linkcode PoolOptions.killAfterMs}, in milliseconds. */
export const DEFAULT_KILL_AFTER_MS = 5_000;

const ACTION = "Cannot start the pool";

/**
 * Checks the options of a pool, and fills in the defaults.
 *
 * @throws `RangeError` for an option that is out of range, `TypeError` for an unknown key in `retry` or `halt`.
 */
export function poolSettings(
  options: PoolOptions,
  count: number | undefined,
  executor: Pick<Executor, "concurrency" | "reportsOutput">,
): PoolSettings {
  const { concurrency = executor.concurrency ?? availableParallelism(), signal, total = count } = options;
  const { killAfterMs = DEFAULT_KILL_AFTER_MS, timeoutMs, outputBy = "line" } = options;
  const { startDelayMs = 0, maxLoad, minFreeMemoryBytes } = options;
  const check = (isValid: boolean, name: keyof PoolOptions, expected: string) => {
    if (isValid) return;
    throw new RangeError(`${ACTION}: ${name} must be ${expected}, got ${excerpt(options[name])}`);
  };
  checkConcurrency(concurrency, ACTION);
  check(isNumber(killAfterMs), "killAfterMs", "a number of at least 0");
  check(
    timeoutMs === undefined || isNumber(timeoutMs) && timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT_MS,
    "timeoutMs",
    `a number of milliseconds greater than 0 and at most ${MAX_TIMEOUT_MS}`,
  );
  const delay = `a number of milliseconds from 0 to ${MAX_TIMEOUT_MS}`;
  check(isNumber(startDelayMs) && startDelayMs <= MAX_TIMEOUT_MS, "startDelayMs", delay);
  check(maxLoad === undefined || isNumber(maxLoad) && maxLoad > 0, "maxLoad", "a number greater than 0");
  check(
    minFreeMemoryBytes === undefined || isNumber(minFreeMemoryBytes),
    "minFreeMemoryBytes",
    "a number of at least 0",
  );
  check(total === undefined || isInteger(total), "total", "an integer of at least 0");
  check(["line", "lines", "chunk"].includes(outputBy), "outputBy", '"line", "lines" or "chunk"');
  if (options.onOutput && !executor.reportsOutput) {
    throw new RangeError(`${ACTION}: onOutput needs the executor "shell" or "process"`);
  }
  const retry = retryPolicy(options.retry, ACTION);
  const halt = options.halt === undefined ? undefined : haltPolicy(options.halt, ACTION);
  if (typeof halt?.limit === "object" && total === undefined) {
    throw new RangeError(`${ACTION}: halt.percent needs the number of tasks; pass it as total, or use halt.count`);
  }
  return {
    concurrency,
    keepOrder: options.keepOrder ?? false,
    signal,
    timeoutMs,
    killAfterMs,
    retry,
    startLimits: startDelayMs > 0 || maxLoad !== undefined || minFreeMemoryBytes !== undefined
      ? { startDelayMs, maxLoad, minFreeMemoryBytes }
      : undefined,
    halt,
    total,
    onProgress: options.onProgress,
    onAttemptStart: options.onAttemptStart,
    onOutput: options.onOutput,
    outputBy,
    recordCommand: options.recordCommand ?? false,
    workflow: workflowSettings(options, ACTION),
  };
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && value >= 0;
}

function isInteger(value: unknown): value is number {
  return isNumber(value) && Number.isSafeInteger(value);
}

/** Checks a concurrency, and returns it. */
export function checkConcurrency(concurrency: number, action: string): number {
  if (Number.isSafeInteger(concurrency) && concurrency >= 1) return concurrency;
  throw new RangeError(`${action}: concurrency must be an integer of at least 1, got ${excerpt(concurrency)}`);
}
