import { lstatSync } from "node:fs";
import { systemCode } from "../../system/system_error.ts";
import { excerpt } from "../../text/excerpt.ts";
import { UsageError } from "./usage_error.ts";

/**
 * Returns the path of the results file that a command reads; `-` is standard input.
 *
 * @throws {UsageError} unless there is exactly one operand.
 */
export function resultsPath(operands: readonly string[]): string {
  const [path, ...more] = operands;
  if (path === undefined) throw new UsageError("Missing RESULTS.jsonl: the results file to read");
  if (more.length === 0) return path;
  throw new UsageError(`Expected one results file, got ${operands.map(excerpt).join(" and ")}`);
}

/** Codes of errors for a path that names nothing. */
const MISSING = ["ENOENT", "ENOTDIR", "ENAMETOOLONG"];

/** Returns whether an operand is `-` or the path of something that exists, even if it cannot be read. */
export function namesPath(operand: string): boolean {
  if (operand === "-") return true;
  try {
    lstatSync(operand);
    return true;
  } catch (error) {
    return !MISSING.includes(`${systemCode(error)}`);
  }
}
