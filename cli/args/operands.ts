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
