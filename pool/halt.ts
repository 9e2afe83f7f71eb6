import { hasRunToEnd, isFailure, type TaskResult } from "../records/result.ts";
import { excerpt } from "../text/excerpt.ts";
import { checkOptionNames, type OptionHint, optionNames } from "../text/unknown_option.ts";

/** The condition for an early end of a run. */
export interface HaltCondition {
  /**
   * The treatment of running tasks: `now` terminates them, `soon` lets them finish. In both cases, no other task starts.
   *
   * @default {"now"}
   */
  when?: "now" | "soon" | undefined;
  /**
   * The results to count: `success` counts those whose outcome is `ok`, `fail` all others, and `done` both. A retried task
   * counts once, with its last attempt. A canceled task does not count.
   *
   * @default {"fail"}
   */
  on?: "fail" | "success" | "done" | undefined;
}

/** A {@linkcode Halt} at a number of results. */
export interface HaltAtCount extends HaltCondition {
  /**
   * The number of results at which the run ends.
   *
   * @default {1}
   */
  count?: number | undefined;
  /** Excludes `count`. */
  percent?: undefined;
}

/** A {@linkcode Halt} at a percentage of all tasks. */
export interface HaltAtPercent extends HaltCondition {
  /**
   * The percentage of all tasks at which the run ends, greater than 0 and at most 100. The percentage is exact: 1.1 % of
   * 3,000 tasks are 33 tasks. A string such as `"33.3333333333333333333"` allows more digits than a number.
   */
  percent: number | string;
  /** Excludes `percent`. */
  count?: undefined;
}

/**
 * The condition for an early end of a run, as with GNU parallel's `--halt`. `{}` ends the run at the first failure.
 *
 * @example Start no more tasks when a tenth of all tasks has failed
 * ```ts
 * import { type Halt, run } from "@x/taskrunner";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const halt: Halt = { when: "soon", on: "fail", percent: 10 };
 * const tasks = Array.from({ length: 20 }, () => ({ cmd: "exit 1" }));
 * const results = await Array.fromAsync(run(tasks, { concurrency: 1, halt }));
 * assertEquals(results.length, 2);
 * ```
 */
export type Halt = HaltAtCount | HaltAtPercent;

/** A {@linkcode Halt}, checked and complete. */
export interface HaltPolicy {
  when: "now" | "soon";
  on: "fail" | "success" | "done";
  /** The limit as a number of results, or as an exact fraction of all tasks. */
  limit: number | Fraction;
}

/** An exact fraction. */
export interface Fraction {
  numerator: bigint;
  denominator: bigint;
}

/** Keys with likely other names. */
const HINTS: Record<keyof Halt, OptionHint> = {
  when: { otherNames: "how mode" },
  on: { otherNames: "outcome what why" },
  count: { otherNames: "limit n number tasks" },
  percent: { otherNames: "percentage" },
};
const NAMES = optionNames(HINTS);
const EXAMPLE = 'an object such as { when: "now", on: "fail", count: 1 }';

/**
 * Checks the option `halt`, and fills in its defaults.
 *
 * @param action The beginning of error messages.
 * @throws `RangeError` for a value out of range, `TypeError` for an unknown key.
 */
export function haltPolicy(halt: Halt, action: string): HaltPolicy {
  const fail = (name: string, expected: string, value: unknown): never => {
    throw new RangeError(`${action}: ${name} must be ${expected}, got ${excerpt(value)}`);
  };
  if (typeof halt !== "object" || halt === null || Array.isArray(halt)) return fail("halt", EXAMPLE, halt);
  checkOptionNames(halt, NAMES, `${action}: in halt`);
  const { when = "now", on = "fail", count, percent } = halt;
  if (!["now", "soon"].includes(when)) fail("halt.when", '"now" or "soon"', when);
  if (!["fail", "success", "done"].includes(on)) fail("halt.on", '"fail", "success" or "done"', on);
  if (percent === undefined) {
    const limit = count ?? 1;
    if (!Number.isSafeInteger(limit) || limit < 1) fail("halt.count", "an integer of at least 1", limit);
    return { when, on, limit };
  }
  if (count !== undefined) fail("halt", "given either count or percent", halt);
  const limit = fractionOf(percent) ?? fail("halt.percent", "a percentage greater than 0 and at most 100", percent);
  return { when, on, limit };
}

/** A decimal as written by `String()` or by a person. The exponent of a number has at most three digits. */
const DECIMAL = /^(\d+)(?:\.(\d+))?(?:e-(\d{1,3}))?$/;

/** Returns a percentage as an exact fraction; `undefined` when it is out of range. */
function fractionOf(percent: unknown): Fraction | undefined {
  if (typeof percent !== "number" && typeof percent !== "string") return undefined;
  const [, whole, digits = "", exponent = "0"] = DECIMAL.exec(String(percent)) ?? [];
  if (whole === undefined) return undefined;
  const numerator = BigInt(whole + digits);
  const denominator = 100n * 10n ** BigInt(digits.length + Number(exponent));
  return numerator > 0n && numerator <= denominator ? { numerator, denominator } : undefined;
}

/** Returns the number of results at which a run of `total` tasks ends. Rounds a percentage up. */
export function countOf({ limit }: HaltPolicy, total: number | undefined): number {
  if (typeof limit === "number") return limit;
  const { numerator, denominator } = limit;
  return Number((BigInt(total!) * numerator + denominator - 1n) / denominator);
}

/** Counts results until a {@linkcode HaltPolicy} is met. */
export class HaltCounter {
  readonly #on: HaltPolicy["on"];
  readonly #limit: number;
  #count = 0;

  /** @param total The number of tasks, for a percentage. */
  constructor(policy: HaltPolicy, total: number | undefined) {
    this.#on = policy.on;
    this.#limit = countOf(policy, total);
  }

  /** Counts a result. Returns whether this result meets the policy. */
  meets({ outcome }: TaskResult): boolean {
    if (!hasRunToEnd(outcome) || this.#count >= this.#limit) return false;
    if (this.#on === "fail" && !isFailure(outcome)) return false;
    if (this.#on === "success" && isFailure(outcome)) return false;
    return ++this.#count >= this.#limit;
  }
}
