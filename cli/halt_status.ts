import type { Halt } from "../pool/halt.ts";
import type { TaskResult } from "../records/result.ts";
import { exitStatusOf } from "./exit_status.ts";

/**
 * Returns the exit status of a run with `--halt`, as GNU parallel does: with a percentage that of all tasks which failed,
 * rounded up; with a number that was met the status of the one task that ended the run; else how many failed.
 *
 * @param haltedBy the result that met the condition, if there is one.
 */
export function exitStatusOfHalt(
  halt: Halt,
  haltedBy: TaskResult | undefined,
  failedTasks: number,
  total: number | undefined,
): number {
  if (haltedBy && halt.on === "success") return 0;
  if (halt.percent !== undefined) return percentageOf(failedTasks, total!);
  if (haltedBy && halt.count === 1) return haltedBy.outcome === "ok" ? 0 : haltedBy.status || 1;
  return exitStatusOf(failedTasks);
}

/**
 * Returns a percentage that is rounded up, so that it is 0 only when nothing has failed. In integers: `11 / 20 * 100` is
 * more than 55.
 */
function percentageOf(part: number, total: number): number {
  if (part === 0) return 0;
  const remainder = 100 * part % total;
  return Math.min((100 * part - remainder) / total + (remainder > 0 ? 1 : 0), 100);
}
