/** The uptime of Linux, a clock that a shell can read without starting a program. @module */

import { readFileSync } from "node:fs";
import { isPermitted } from "./deno_permissions.ts";

/** File with the seconds since boot, with two decimals. */
export const UPTIME_FILE = "/proc/uptime";

/** Resolution of {@linkcode UPTIME_FILE}, in milliseconds. */
export const UPTIME_STEP_MS = 10;

/** Returns the time since boot in milliseconds, or `undefined` if {@linkcode UPTIME_FILE} cannot be read. */
export function systemUptimeMs(): number | undefined {
  try {
    if (!isPermitted({ name: "read", path: UPTIME_FILE })) return undefined;
    const seconds = Number.parseFloat(readFileSync(UPTIME_FILE, "latin1"));
    return Number.isNaN(seconds) ? undefined : seconds * 1_000;
  } catch {
    return undefined; // not Linux
  }
}
