const MULTIPLIER = 6364136223846793005n;
const INCREMENT = 1442695040888963407n;
const MASK = (1n << 64n) - 1n;

/**
 * Shuffles an array in place (Fisher-Yates). The same seed gives the same order on every machine: the random numbers are the
 * upper half of a 64-bit linear congruential generator.
 *
 * @param seed an integer.
 */
export function shuffle(items: unknown[], seed: number): void {
  let state = (BigInt(seed) + INCREMENT) & MASK;
  const below = (limit: number) => {
    state = (state * MULTIPLIER + INCREMENT) & MASK;
    return Number((state >> 32n) * BigInt(limit) >> 32n);
  };
  below(1); // the first number is similar for similar seeds
  for (let end = items.length; end > 1; end--) {
    const index = below(end);
    [items[end - 1], items[index]] = [items[index], items[end - 1]];
  }
}
