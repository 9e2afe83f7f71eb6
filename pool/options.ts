import { availableParallelism } from "node:os";
import type { AttemptHooks, AttemptStart } from "./attempt_hooks.ts";
import { type Halt, type HaltPolicy, haltPolicy } from "./halt.ts";
import { excerpt } from "../text/excerpt.ts";
import { type RetryOptions, type RetryPolicy, retryPolicy } from "./retry.ts";
import type { HoldReason, StartLimits } from "./start_gate.ts";
import { MAX_TIMEOUT_MS } from "../records/task.ts";

/** How far a run has got. */
export interface Progress {
  /** How many tasks there are, where it is known. */
  total: number | undefined;
  /** Tasks that have a result. */
  finished: number;
  /** Those of them whose outcome is neither `ok` nor `canceled`. */
  failed: number;
  /** Tasks that run now. */
  running: number;
  /** Tasks that wait to be tried again. */
  retrying: number;
  /** What keeps the next task from being started, although there is a free slot. */
  heldBackBy?: HoldReason | undefined;
}

/** Options for the scheduling of tasks. */
export interface PoolOptions {
  /**
   * How many tasks run at once, at most.
   *
   * @default the number of CPUs that this process may use; 10,000 when the tasks run elsewhere
   */
  concurrency?: number | undefined;
  /**
   * Gives the results in the order of the tasks, not in that of their completion. When one task holds up the results of
   * 1,000 others (or of 4 times the concurrency, if that is more), no more are started until it is done.
   *
   * @default {false}
   */
  keepOrder?: boolean | undefined;
  /**
   * Stops the run: nothing more is started, what runs is ended, and its results come with the outcome `canceled`. After
   * the last of them the iterator throws the reason of the signal.
   */
  signal?: AbortSignal | undefined;
  /** The longest time for one attempt of a task that has no `timeoutMs` of its own, in milliseconds. */
  timeoutMs?: number | undefined;
  /**
   * How long a task may take to end after SIGTERM, in milliseconds, before what is left of it gets SIGKILL.
   *
   * @default {5_000}
   */
  killAfterMs?: number | undefined;
  /**
   * When and how often tasks are retried. A number is short for `{ limit: … }`.
   *
   * @default no retries, unless a task has `retries`
   */
  retry?: number | RetryOptions | undefined;
  /**
   * The shortest time between two starts, in milliseconds, as with GNU parallel's `--delay`.
   *
   * @default {0}
   */
  startDelayMs?: number | undefined;
  /**
   * No task is started unless the load is less than this, as with GNU parallel's `--load`. The load is how many threads
   * want a CPU or wait for a disk at that moment, of all processes that can be seen.
   */
  maxLoad?: number | undefined;
  /**
   * No task is started unless so many bytes of memory are free, as with GNU parallel's `--memfree`; in a control group with
   * a limit, as in a container, so many of those that it may have. What runs goes on, however little is left.
   */
  minFreeMemoryBytes?: number | undefined;
  /**
   * When to end the run early; `{}` is at the first failure. The iterator then ends without an error, and
   * {@linkcode Run.haltedBy} has the result that met the condition.
   */
  halt?: Halt | undefined;
  /**
   * How many tasks there are: for a {@linkcode PoolOptions.halt} with a percentage and for {@linkcode Progress}.
   *
   * @default the length, when the tasks are in an array
   */
  total?: number | undefined;
  /** Called each time that a task has been started, is held back, or has got its result. What it throws stops the run. */
  onProgress?: ((progress: Progress) => void) | undefined;
  /**
   * Called synchronously before each attempt starts, retries included. Can return variables for the environment of the
   * attempt, and a callback for its end. An error that it throws stops the run, and the attempt does not start.
   *
   * @default no hook
   *
   * @example Measure attempts, and tell each its trace
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
}

const ACTION = "Cannot start the pool";

/**
 * Checks the options of a pool, and fills in what was not given.
 *
 * @throws `RangeError` for an option that is out of range, `TypeError` for an unknown key in `retry` or `halt`.
 */
export function poolSettings(
  options: PoolOptions,
  count: number | undefined,
  defaultConcurrency: number = availableParallelism(),
): PoolSettings {
  const { concurrency = defaultConcurrency, killAfterMs = 5_000, timeoutMs, signal, total = count } = options;
  const { startDelayMs = 0, maxLoad, minFreeMemoryBytes } = options;
  const check = (isRight: boolean, name: keyof PoolOptions, what: string) => {
    if (isRight) return;
    throw new RangeError(`${ACTION}: ${name} must be ${what}, got ${excerpt(options[name])}`);
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
  };
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && value >= 0;
}

function isInteger(value: unknown): value is number {
  return isNumber(value) && Number.isSafeInteger(value);
}

/** Checks a concurrency, from the options or given while the run is under way. */
export function checkConcurrency(concurrency: number, action: string): number {
  if (Number.isSafeInteger(concurrency) && concurrency >= 1) return concurrency;
  throw new RangeError(`${action}: concurrency must be an integer of at least 1, got ${excerpt(concurrency)}`);
}
