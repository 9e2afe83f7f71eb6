/** A clock that a shell can read without starting a program. @module */

import { readFileSync } from "node:fs";
import { isPermitted } from "./deno_permissions.ts";

/** The file of Linux with the seconds since it was started, to a hundredth. */
export const UPTIME_FILE = "/proc/uptime";

/** The resolution of that file, in milliseconds. */
export const UPTIME_STEP_MS = 10;

/** Returns how long Linux has been up, in milliseconds; `undefined` where that cannot be seen. */
export function systemUptimeMs(): number | undefined {
  try {
    if (!isPermitted({ name: "read", path: UPTIME_FILE })) return undefined;
    const seconds = Number.parseFloat(readFileSync(UPTIME_FILE, "latin1"));
    return Number.isNaN(seconds) ? undefined : seconds * 1_000;
  } catch {
    return undefined; // another system has no such file
  }
}
