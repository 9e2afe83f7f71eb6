import type { TaskResult } from "./result.ts";

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
  number: number;
  isPercentage: boolean;
}

/** How a {@linkcode Halt} is written, for messages. */
export const HALT_FORM =
  'such as "now,fail=1" or "soon,done=10%": now or soon, then fail, success or done, and how many';

/** Takes a {@linkcode Halt} apart; `undefined` when the text is none. */
export function parseHalt(text: string): HaltPolicy | undefined {
  const [, when, what, digits, percent] = /^(now|soon),(fail|success|done)=(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  const number = Number(digits);
  const isPercentage = percent === "%";
  if (!(number > 0) || (isPercentage ? number > 100 : !Number.isSafeInteger(number))) return undefined;
  return { when, what, number, isPercentage } as HaltPolicy;
}

/** Counts results until a {@linkcode HaltPolicy} is met. */
export class HaltCounter {
  readonly #what: HaltPolicy["what"];
  readonly #limit: number;
  #count = 0;

  /** @param total how many tasks there are, for a percentage. */
  constructor({ what, number, isPercentage }: HaltPolicy, total: number | undefined) {
    this.#what = what;
    this.#limit = isPercentage ? total! * number / 100 : number;
  }

  /** Counts one more result, and says whether it is the one that meets the policy. */
  meets({ outcome }: TaskResult): boolean {
    if (outcome === "canceled" || this.#count >= this.#limit) return false;
    if (this.#what === "fail" && outcome === "ok") return false;
    if (this.#what === "success" && outcome !== "ok") return false;
    return ++this.#count >= this.#limit;
  }
}
