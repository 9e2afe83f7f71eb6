import { closestString } from "@std/text/closest-string";

/** More is no slip of the finger, and to compare it would take seconds for each megabyte. */
const MAX_LENGTH = 100;

/** The name that was meant, perhaps, by one that is not known. */
export function nearest(name: string, known: readonly string[]): string {
  return closestString(name.slice(0, MAX_LENGTH), known);
}
