/**
 * Fails a test file on an unhandled rejection or an uncaught exception, in its own process or in a program that a test has
 * started. The runtimes miss some of these: Deno ignores errors thrown by timers, and Deno and Node ignore promises that
 * reject as a test ends.
 *
 * @module
 */

import process from "node:process";
import { afterEach } from "node:test";

/** Errors that have not failed a test yet. */
const strayErrors: unknown[] = [];

/** Records an error that fails the running test or, on Deno, the file. */
export function noteStrayError(error: unknown): void {
  strayErrors.push(error);
}

/** The line that marks an uncaught error: the last that Node and Bun print, and the first on Deno. */
const MARK_OF_CRASH = /^(?:Node\.js v\d|Bun v\d|error: Uncaught )/m;

/** Returns whether the standard error of a program reports an uncaught error. */
export function hasCrashed(stderr: string): boolean {
  return MARK_OF_CRASH.test(stderr);
}

function describe(error: unknown): string {
  return `Unhandled error: ${error instanceof Error ? error.stack : error}`;
}

if ("Deno" in globalThis) {
  addEventListener("unhandledrejection", ({ reason }) => noteStrayError(reason));
  addEventListener("error", ({ error }) => {
    // The NATS connection handles these. `defaultPrevented` cannot tell: Deno's test runner sets it on every event.
    if ((error as { code?: string }).code !== "ECONNRESET") noteStrayError(error);
  });
  // Deno ignores errors of hooks, and does not let a test end the process.
  addEventListener("unload", () => {
    for (const error of strayErrors) console.error(describe(error));
    if (strayErrors.length > 0) process.exit(1);
  });
} else {
  process.on("unhandledRejection", noteStrayError);
  process.on("uncaughtException", noteStrayError);
  afterEach(async () => {
    await new Promise((resolve) => setTimeout(resolve)); // rejections are reported as unhandled only then
    const [first, ...others] = strayErrors.splice(0);
    for (const error of others) console.error(describe(error));
    if (first !== undefined) throw first;
  });
  process.on("exit", () => {
    for (const error of strayErrors) console.error(describe(error));
    if (strayErrors.length > 0) process.exitCode = 1;
  });
}
