/** Protection against the debugger that a signal opens. @module */

import process from "node:process";
import { isPermitted } from "../system/deno_permissions.ts";

/** Time within which Deno opens the debugger. */
const OPEN_WITHIN_MS = 1_000;

/**
 * Closes the debugger that Deno opens at SIGUSR1, even with a listener for the signal: every user of the machine can connect
 * to its port and run code in this process. Leaves a debugger open that the user requested, as with `--inspect`.
 */
export function keepDebuggerClosed(): void {
  if (!("Deno" in globalThis) || !isPermitted({ name: "sys", kind: "inspector" })) return;
  const inspector = process.getBuiltinModule("node:inspector"); // missing in some builds of Node
  if (inspector.url()) return;
  process.on("SIGUSR1", () => {
    const signalledMs = performance.now();
    const timer = setInterval(() => {
      if (inspector.url()) inspector.close();
      else if (performance.now() - signalledMs < OPEN_WITHIN_MS) return;
      clearInterval(timer);
    }, 1);
  });
}
