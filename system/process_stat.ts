import { closeSync, openSync, readSync } from "node:fs";
import { Buffer } from "node:buffer";

/** The error of functions that need `/proc`. */
export const NO_PROC = "/proc is not mounted; mount it, or limit neither the load nor the free memory";

/** Shared by all reads, which halves their time compared with `readFileSync`. Far larger than any `stat` file. */
const buffer = Buffer.alloc(4096);

/**
 * Returns the fields of the `stat` file of a Linux process or thread, starting with its state (field 3 of proc(5)).
 *
 * @param directory Directory of the process or thread in `/proc`.
 * @throws the system's error: `ENOENT` or `ESRCH` when the process has ended.
 */
export function statFields(directory: string): string[] {
  const descriptor = openSync(`${directory}/stat`, "r");
  let bytes: number;
  try {
    bytes = readSync(descriptor, buffer, 0, buffer.length, null);
  } finally {
    closeSync(descriptor);
  }
  const stat = buffer.toString("latin1", 0, bytes);
  return stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the program name before it may contain spaces and ")"
}
