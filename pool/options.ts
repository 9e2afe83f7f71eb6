import { availableParallelism } from "node:os";
import type { AttemptHooks, AttemptStart } from "./attempt_hooks.ts";
import { type Halt, HALT_FORM, type HaltPolicy, parseHalt } from "./halt.ts";
import { excerpt } from "../text/excerpt.ts";
import type { RetryDelay } from "./retry_delay.ts";
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
   * Extra attempts, after one that failed, was killed or timed out, for a task that has no `retries` of its own.
   *
   * @default {0}
   */
  retries?: number | undefined;
  /**
   * How long to wait before the second attempt of a task, in milliseconds; twice as long before each that follows. Half of
   * that is at random. A task that waits takes no slot. No new tasks are started while 1,000 (or 4 times the concurrency,
   * if that is more) wait.
   *
   * @default {0}
   */
  retryDelayMs?: number | undefined;
  /**
   * The longest that a task waits to be tried again, in milliseconds, unless `retryDelayMs` is longer.
   *
   * @default {300_000} (5 minutes)
   */
  maxRetryDelayMs?: number | undefined;
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
   * Ends the run early, such as `now,fail=1` at the first failure; see {@linkcode Halt}. The iterator then ends without an
   * error, and {@linkcode Run.haltedBy} has the result that it was for.
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
  retries: number;
  retryDelay: RetryDelay;
  startLimits: StartLimits | undefined;
  halt: HaltPolicy | undefined;
  total: number | undefined;
  onProgress: ((progress: Progress) => void) | undefined;
  onAttemptStart: PoolOptions["onAttemptStart"];
}

/**
 * Checks the options of a pool, and fills in what was not given.
 *
 * @throws `RangeError` for an option that is out of range.
 */
export function poolSettings(
  options: PoolOptions,
  count: number | undefined,
  defaultConcurrency: number = availableParallelism(),
): PoolSettings {
  const { concurrency = defaultConcurrency, killAfterMs = 5_000, timeoutMs, retries = 0, signal } = options;
  const { retryDelayMs = 0, maxRetryDelayMs = 300_000, total = count } = options;
  const { startDelayMs = 0, maxLoad, minFreeMemoryBytes } = options;
  const check = (isRight: boolean, name: keyof PoolOptions, what: string) => {
    if (isRight) return;
    throw new RangeError(`Cannot start the pool: ${name} must be ${what}, got ${excerpt(options[name])}`);
  };
  checkConcurrency(concurrency, "Cannot start the pool");
  check(isNumber(killAfterMs), "killAfterMs", "a number of at least 0");
  check(
    timeoutMs === undefined || isNumber(timeoutMs) && timeoutMs > 0 && timeoutMs <= MAX_TIMEOUT_MS,
    "timeoutMs",
    `a number of milliseconds greater than 0 and at most ${MAX_TIMEOUT_MS}`,
  );
  check(isInteger(retries), "retries", "an integer of at least 0");
  const delay = `a number of milliseconds from 0 to ${MAX_TIMEOUT_MS}`;
  check(isNumber(retryDelayMs) && retryDelayMs <= MAX_TIMEOUT_MS, "retryDelayMs", delay);
  check(isNumber(maxRetryDelayMs) && maxRetryDelayMs <= MAX_TIMEOUT_MS, "maxRetryDelayMs", delay);
  check(isNumber(startDelayMs) && startDelayMs <= MAX_TIMEOUT_MS, "startDelayMs", delay);
  check(maxLoad === undefined || isNumber(maxLoad) && maxLoad > 0, "maxLoad", "a number greater than 0");
  check(
    minFreeMemoryBytes === undefined || isNumber(minFreeMemoryBytes),
    "minFreeMemoryBytes",
    "a number of at least 0",
  );
  check(total === undefined || isInteger(total), "total", "an integer of at least 0");
  const halt = options.halt === undefined ? undefined : parseHalt(String(options.halt));
  check(options.halt === undefined || halt !== undefined, "halt", HALT_FORM);
  check(!halt?.isPercentage || total !== undefined, "halt", "a number of tasks, or total be given");
  return {
    concurrency,
    keepOrder: options.keepOrder ?? false,
    signal,
    timeoutMs,
    killAfterMs,
    retries,
    startLimits: startDelayMs > 0 || maxLoad !== undefined || minFreeMemoryBytes !== undefined
      ? { startDelayMs, maxLoad, minFreeMemoryBytes }
      : undefined,
    retryDelay: { firstMs: retryDelayMs, maxMs: maxRetryDelayMs },
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
