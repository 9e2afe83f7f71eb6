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
