import type { Halt } from "../pool/halt.ts";
import type { TaskResult } from "../records/result.ts";
import { exitStatusOf } from "./exit_status.ts";

/**
 * Returns the exit status of a run with `--halt`, as GNU parallel does: for a percentage, the share of failed tasks; for a
 * count of 1, the status of the task that ended the run; otherwise the number of failed tasks.
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
 * Returns a percentage, rounded up so that only 0 of the tasks is 0 %. Computes in integers, because `11 / 20 * 100` is more
 * than 55.
 */
function percentageOf(part: number, total: number): number {
  if (part === 0) return 0;
  const remainder = 100 * part % total;
  return Math.min((100 * part - remainder) / total + (remainder > 0 ? 1 : 0), 100);
}
