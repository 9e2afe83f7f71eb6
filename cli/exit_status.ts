/** The status for wrong usage, invalid input or an I/O error, as in GNU parallel. */
export const EXIT_ERROR = 255;

/** The status that a shell reports for a program that SIGPIPE ended. */
export const EXIT_CLOSED_OUTPUT = 141;

/** The status that a shell reports for a program that SIGHUP ended. */
export const EXIT_HANGUP = 129;

/** Returns the exit status of a run, as in GNU parallel: the number of failed tasks up to 100, and 101 for more. */
export function exitStatusOf(failedTasks: number): number {
  return Math.min(failedTasks, 101);
}
