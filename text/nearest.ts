/** A longer name is not a typo, and comparing it would take seconds per megabyte. */
const MAX_LENGTH = 100;

/**
 * Returns the known name closest to a mistyped one, or `undefined` if none is close: at most a third of the letters may
 * differ, or the known name abbreviates the given one, as `cmd` does `command`. Ignores case and leading hyphens.
 *
 * @param maxEdits the number of letters that may differ, by default a third of the letters, rounded up.
 */
export function nearest(name: string, known: readonly string[], maxEdits?: number): string | undefined {
  if (name.length > MAX_LENGTH) return undefined;
  const given = normalize(name);
  let found: string | undefined;
  // Any two single letters are one replacement apart, so a single letter has to match.
  let leastDistance = given.length > 1 ? (maxEdits ?? Math.ceil(given.length / 3)) + 1 : 1;
  for (const candidate of known) {
    const distance = abbreviates(normalize(candidate), given) ? 1 : editDistance(given, normalize(candidate));
    if (distance >= leastDistance) continue;
    leastDistance = distance;
    found = candidate;
  }
  return found;
}

function normalize(name: string): string {
  return name.replace(/^-+/, "").toLowerCase();
}

/** Returns whether `short`, of at least three letters, is a subsequence of `long` that starts with its first letter. */
function abbreviates(short: string, long: string): boolean {
  if (short.length < 3 || short[0] !== long[0]) return false;
  let at = 0;
  for (const letter of short) {
    at = long.indexOf(letter, at) + 1;
    if (at === 0) return false;
  }
  return true;
}

/** Returns the optimal string alignment distance: Levenshtein distance with a swap of neighbors as one edit. */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const isSame = from[row - 1] === to[column - 1];
      const isSwap = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      current[column] = Math.min(
        last[column]! + 1,
        current[column - 1]! + 1,
        last[column - 1]! + (isSame ? 0 : 1),
        isSwap && row > 1 && column > 1 ? beforeLast[column - 2]! + 1 : Infinity,
      );
    }
    beforeLast = last;
    last = current;
  }
  return last[to.length]!;
}
