import { readFileSync } from "node:fs";

/**
 * What Linux says about a process or a thread, from its state on.
 *
 * @param directory the one it has in `/proc`.
 * @throws the error of the system, `ENOENT` or `ESRCH` when it has gone.
 */
export function statFields(directory: string): string[] {
  const stat = readFileSync(`${directory}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the name before it may hold anything
}
