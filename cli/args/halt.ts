import type { Halt } from "../../pool/halt.ts";
import { excerpt } from "../../text/excerpt.ts";
import type { Unit } from "./flag.ts";
import { UsageError } from "./usage_error.ts";

/** A condition that ends a run early. */
export const HALT: Unit<Halt> = {
  placeholder: "WHEN,WHAT=N|N%",
  legend:
    "WHEN,WHAT=N|N%: now ends the running tasks, soon lets them finish; after N tasks, or N% of all tasks, that fail, " +
    "succeed (success) or end in any way (done).",
  parse: parseHalt,
};

const FORM = "WHEN,WHAT=N or WHEN,WHAT=N%, such as now,fail=1 or soon,done=10%";

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
  throw new UsageError(`${flag} must have the form ${FORM}, got ${excerpt(text)}`);
}

/** Compares digits, because the nearest binary number may be on the other side of 100. */
function isPercentage(digits: string): boolean {
  return /[1-9]/.test(digits) && /^0*(?:\d{1,2}(?:\.\d+)?|100(?:\.0+)?)$/.test(digits);
}
