/** The delays between the attempts of a task. */
export interface Backoff {
  /** The delay before the second attempt, in milliseconds. The delay doubles before each further attempt. */
  firstMs: number;
  /** The longest delay, in milliseconds, unless `firstMs` is longer. */
  maxMs: number;
}

/**
 * Returns the delay after the given number of attempts, in milliseconds. Subtracts a random part of up to half of the
 * delay (jitter), so that tasks that failed together are not retried together.
 */
export function backoffMs({ firstMs, maxMs }: Backoff, attempts: number, random: () => number = Math.random): number {
  if (firstMs === 0) return 0; // 0 times Infinity is not a number
  const longestMs = Math.min(firstMs * 2 ** (attempts - 1), Math.max(firstMs, maxMs));
  return longestMs * (1 + random()) / 2;
}
