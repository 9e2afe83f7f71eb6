import type { Outcome } from "../records/result.ts";
import { MAX_TIMEOUT_MS } from "../records/task.ts";
import { excerpt } from "../text/excerpt.ts";
import { checkOptionNames, type OptionHint, optionNames } from "../text/unknown_option.ts";
import type { Backoff } from "./backoff.ts";

/** An outcome after which a task can be retried. */
export type RetryOutcome = Extract<Outcome, "failed" | "killed" | "timeout" | "not-started" | "output-limit">;

/** The outcomes after which a task can be retried. */
export const RETRY_OUTCOMES = [
  "failed",
  "killed",
  "timeout",
  "not-started",
  "output-limit",
] as const satisfies readonly RetryOutcome[];

/** The conditions and delays of retries. */
export interface RetryOptions {
  /**
   * The number of extra attempts for a task without `retries`.
   *
   * @default {0}
   */
  limit?: number | undefined;
  /**
   * The delay before the second attempt of a task, in milliseconds. The delay doubles before each further attempt; up
   * to half of it, chosen at random, is subtracted (jitter). A waiting task occupies no slot. No new task starts while
   * 1,000 tasks wait, or 4 times the concurrency if that is more.
   *
   * @default {0}
   */
  delayMs?: number | undefined;
  /**
   * The longest delay, in milliseconds, unless `delayMs` is longer.
   *
   * @default {300_000} (5 minutes)
   */
  maxDelayMs?: number | undefined;
  /**
   * The outcomes after which a task is retried. Also applies to tasks with `retries`.
   *
   * @default {["failed", "killed", "timeout"]}
   */
  on?: readonly RetryOutcome[] | undefined;
}

/** {@linkcode RetryOptions}, checked and complete. */
export interface RetryPolicy {
  limit: number;
  backoff: Backoff;
  on: ReadonlySet<Outcome>;
}

/** Keys with their names in this command, p-retry, async-retry and cockatiel. */
const HINTS: Record<keyof RetryOptions, OptionHint> = {
  limit: { otherNames: "attempts count maxAttempts maxRetries retries tries" },
  delayMs: { otherNames: "backoff delay initialDelay minTimeout retryDelayMs", unit: ", in milliseconds" },
  maxDelayMs: { otherNames: "maxBackoff maxDelay maxRetryDelayMs maxTimeout", unit: ", in milliseconds" },
  on: { otherNames: "outcomes retryOn shouldRetry when", unit: ', such as ["failed", "timeout"]' },
};
const NAMES = optionNames(HINTS);

/**
 * Checks the option `retry`, and fills in its defaults.
 *
 * @param action The beginning of error messages.
 * @throws `RangeError` for a value out of range, `TypeError` for an unknown key.
 */
export function retryPolicy(retry: number | RetryOptions | undefined, action: string): RetryPolicy {
  const isNumber = typeof retry === "number" || retry === undefined;
  const name = isNumber ? "retry" : "retry.limit";
  if (!isNumber) {
    if (typeof retry !== "object" || retry === null || Array.isArray(retry)) {
      const expected = "the number of extra attempts or an object such as { limit: 3, delayMs: 100 }";
      throw new RangeError(`${action}: retry must be ${expected}, got ${excerpt(retry)}`);
    }
    checkOptionNames(retry, NAMES, `${action}: in retry`);
  }
  const { limit = 0, delayMs = 0, maxDelayMs = 300_000, on = ["failed", "killed", "timeout"] }: RetryOptions = isNumber
    ? { limit: retry }
    : retry;
  if (!Number.isSafeInteger(limit) || limit < 0) {
    throw new RangeError(`${action}: ${name} must be an integer of at least 0, got ${excerpt(limit)}`);
  }
  for (const [key, ms] of Object.entries({ delayMs, maxDelayMs })) {
    if (typeof ms === "number" && ms >= 0 && ms <= MAX_TIMEOUT_MS) continue;
    const expected = `a number of milliseconds from 0 to ${MAX_TIMEOUT_MS}`;
    throw new RangeError(`${action}: retry.${key} must be ${expected}, got ${excerpt(ms)}`);
  }
  if (!Array.isArray(on) || !on.every((outcome) => RETRY_OUTCOMES.includes(outcome))) {
    const expected = `an array of ${RETRY_OUTCOMES.join(", ")}`;
    throw new RangeError(`${action}: retry.on must be ${expected}, got ${excerpt(on)}`);
  }
  return { limit, backoff: { firstMs: delayMs, maxMs: maxDelayMs }, on: new Set(on) };
}
