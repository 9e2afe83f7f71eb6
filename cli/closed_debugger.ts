/** The debugger that a signal opens. @module */

import process from "node:process";
import { isPermitted } from "../system/deno_permissions.ts";

/** How long Deno may take to open it. */
const OPEN_WITHIN_MS = 1_000;

/**
 * Closes the debugger again that Deno opens at SIGUSR1 although somebody listens to the signal: whoever can connect to its
 * port, as all users of the machine can, may run in this process what they like. One that was asked for stays open.
 */
export function keepDebuggerClosed(): void {
  if (!("Deno" in globalThis) || !isPermitted({ name: "sys", kind: "inspector" })) return;
  const inspector = process.getBuiltinModule("node:inspector"); // which not every Node has
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
