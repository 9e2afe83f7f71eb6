/** How long tasks wait before they are tried again. */
export interface RetryDelay {
  /** Before the second attempt; twice as long before each that follows. */
  firstMs: number;
  /** Never longer than this. */
  maxMs: number;
}

/**
 * How long to wait after so many attempts, in milliseconds: at random between half and all of the doubled delay, so that
 * tasks that failed together do not come back together.
 */
export function retryDelayMs(
  { firstMs, maxMs }: RetryDelay,
  attempts: number,
  random: () => number = Math.random,
): number {
  if (firstMs === 0) return 0; // 0 times Infinity is not a number
  const longestMs = Math.min(firstMs * 2 ** (attempts - 1), Math.max(firstMs, maxMs));
  return longestMs * (1 + random()) / 2;
}
