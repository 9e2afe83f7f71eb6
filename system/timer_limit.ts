/** The longest delay of a timer, in milliseconds. With a longer one, runtimes fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;
