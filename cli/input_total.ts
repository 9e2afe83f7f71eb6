import type { Progress } from "../pool/options.ts";
import { excerpt } from "../text/excerpt.ts";
import type { Unit } from "./args/flag.ts";
import { UsageError } from "./args/usage_error.ts";

/** A number of tasks, or `auto` to read the whole input before the first task. */
export const TOTAL: Unit<number | "auto"> = { placeholder: "N|auto", parse: parseTotal };

function parseTotal(flag: string, text: string): number | "auto" {
  if (text === "auto") return text;
  const total = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(total) && total >= 1) return total;
  throw new UsageError(`${flag} must be auto or an integer of at least 1, got ${excerpt(text)}`);
}

/** Returns progress without its total if more tasks have ended, because the user has given a wrong number. */
export function withoutWrongTotal(progress: Progress): Progress {
  const { total, finished } = progress;
  return total !== undefined && finished > total ? { ...progress, total: undefined } : progress;
}
