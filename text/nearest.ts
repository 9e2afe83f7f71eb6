/** Longer names are no typing mistakes, and comparing them would take seconds for each megabyte. */
const MAX_LENGTH = 100;

/**
 * Returns the known name that was probably meant, or `undefined` when none is near: at most a third of the given name may
 * differ, or the given name is what the known one abbreviates, as `command` for `cmd`. Case and leading hyphens do not
 * count.
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (name.length > MAX_LENGTH) return undefined;
  const given = bare(name);
  let found: string | undefined;
  // A single letter differs from every other one by all of it.
  let leastDistance = given.length > 1 ? Math.ceil(given.length / 3) + 1 : 1;
  for (const candidate of known) {
    const distance = abbreviates(bare(candidate), given) ? 1 : editDistance(given, bare(candidate));
    if (distance >= leastDistance) continue;
    leastDistance = distance;
    found = candidate;
  }
  return found;
}

function bare(name: string): string {
  return name.replace(/^-+/, "").toLowerCase();
}

/** Returns whether a name of three letters or more has the first letter of a longer one, then some of its letters in order. */
function abbreviates(short: string, long: string): boolean {
  if (short.length < 3 || short[0] !== long[0]) return false;
  let at = 0;
  for (const letter of short) {
    at = long.indexOf(letter, at) + 1;
    if (at === 0) return false;
  }
  return true;
}

/** Counts the letters to insert, remove or replace (Levenshtein distance), and pairs to swap as one each. */
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
