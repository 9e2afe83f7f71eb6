import type { TaskResult } from "../records/result.ts";

/**
 * When to end a run before its tasks are done, in the words of GNU parallel's `--halt`: `now` ends what runs, `soon` lets
 * it finish, and neither starts anything more, when so many tasks, or so many per cent of all, have failed (`fail`), have
 * ended well (`success`), or either (`done`). A task that is tried again counts once, at its end.
 */
export type Halt = `${"now" | "soon"},${"fail" | "success" | "done"}=${number}${"" | "%"}`;

/** A {@linkcode Halt}, taken apart. */
export interface HaltPolicy {
  when: "now" | "soon";
  what: "fail" | "success" | "done";
  /** The number as it was written, because the nearest number in binary can be another one. */
  digits: string;
  isPercentage: boolean;
}

/** How a {@linkcode Halt} is written, for messages. */
export const HALT_FORM =
  'such as "now,fail=1" or "soon,done=10%": now or soon, then fail, success or done, and how many';

/** Takes a {@linkcode Halt} apart; `undefined` when the text is none. */
export function parseHalt(text: string): HaltPolicy | undefined {
  const [, when, what, digits, percent] = /^(now|soon),(fail|success|done)=(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  if (digits === undefined || !/[1-9]/.test(digits)) return undefined;
  const isPercentage = percent === "%";
  const policy = { when, what, digits, isPercentage } as HaltPolicy;
  const isRight = isPercentage ? countOf(policy, 1) === 1 : Number.isSafeInteger(Number(digits));
  return isRight ? policy : undefined;
}

/** How many tasks a policy waits for, of so many: the smallest number that is not less than the percentage. */
export function countOf({ digits, isPercentage }: HaltPolicy, total: number | undefined): number {
  if (!isPercentage) return Number(digits);
  const [whole, fraction = ""] = digits.split(".");
  const parts = 100n * 10n ** BigInt(fraction.length);
  return Number((BigInt(total!) * BigInt(whole + fraction) + parts - 1n) / parts);
}

/** Counts results until a {@linkcode HaltPolicy} is met. */
export class HaltCounter {
  readonly #what: HaltPolicy["what"];
  readonly #limit: number;
  #count = 0;

  /** @param total how many tasks there are, for a percentage. */
  constructor(policy: HaltPolicy, total: number | undefined) {
    this.#what = policy.what;
    this.#limit = countOf(policy, total);
  }

  /** Counts one more result, and says whether it is the one that meets the policy. */
  meets({ outcome }: TaskResult): boolean {
    if (outcome === "canceled" || this.#count >= this.#limit) return false;
    if (this.#what === "fail" && outcome === "ok") return false;
    if (this.#what === "success" && outcome !== "ok") return false;
    return ++this.#count >= this.#limit;
  }
}
