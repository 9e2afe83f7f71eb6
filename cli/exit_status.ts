import type { HaltPolicy } from "../halt.ts";
import type { TaskResult } from "../result.ts";

/** Wrong usage, bad input, or an I/O error; as in GNU parallel. */
export const EXIT_ERROR = 255;

/** What a shell reports for a program that SIGPIPE has ended. */
export const EXIT_CLOSED_OUTPUT = 141;

/** After SIGHUP: as a shell gives it. */
export const EXIT_HANGUP = 129;

/** As in GNU parallel: 1 to 100 is the number of tasks that were not ok, and 101 stands for more. */
export function exitStatusOf(failedTasks: number): number {
  return Math.min(failedTasks, 101);
}

/** As in GNU parallel: the status of the task that ended the run, the percentage that failed, or how many did. */
export function exitStatusOfHalt(
  { what, number, isPercentage }: HaltPolicy,
  haltedBy: TaskResult,
  failedTasks: number,
  total: number | undefined,
): number {
  if (what === "success") return 0;
  if (isPercentage) return Math.ceil(failedTasks / total! * 100);
  if (number === 1) return haltedBy.status ?? 1;
  return exitStatusOf(failedTasks);
}
