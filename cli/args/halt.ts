import { excerpt } from "../../text/excerpt.ts";
import type { Halt } from "../../pool/halt.ts";
import { UsageError } from "./usage_error.ts";

const FORM = 'such as "now,fail=1" or "soon,done=10%": now or soon, then fail, success or done, and how many';

/**
 * Parses the value of `--halt`, written as for GNU parallel.
 *
 * @throws {UsageError} for any other text.
 */
export function parseHalt(flag: string, text: string): Halt {
  const [, when, on, digits, percent] = /^(now|soon),(fail|success|done)=(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  const condition = { when, on } as Pick<Halt, "when" | "on">;
  if (digits !== undefined && percent === "%" && isPercentage(digits)) return { ...condition, percent: digits };
  const count = Number(digits);
  if (percent === "" && Number.isSafeInteger(count) && count >= 1) return { ...condition, count };
  throw new UsageError(`${flag} must be ${FORM}, got ${excerpt(text)}`);
}

/** Compares digits, because the nearest binary number can be on the other side of 100. */
function isPercentage(digits: string): boolean {
  return /[1-9]/.test(digits) && /^0*(?:\d{1,2}(?:\.\d+)?|100(?:\.0+)?)$/.test(digits);
}
