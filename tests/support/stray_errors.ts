/**
 * Fails a test file on unhandled rejections and uncaught exceptions, in its own process and in programs that tests
 * start. The runtimes alone miss some of these: Deno ignores errors thrown by timers, and Deno and Node ignore promises
 * that reject as a test ends.
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

/** Matches the line of an uncaught error: the last that Node and Bun print, and the first on Deno. */
const CRASH_LINE = /^(?:Node\.js v\d|Bun v\d|error: Uncaught )/m;

/** Returns whether the standard error of a program reports an uncaught error. */
export function hasCrashed(stderr: string): boolean {
  return CRASH_LINE.test(stderr);
}

function describe(error: unknown): string {
  return `Unhandled error: ${error instanceof Error ? error.stack : error}`;
}

if ("Deno" in globalThis) {
  addEventListener("unhandledrejection", ({ reason }) => noteStrayError(reason));
  addEventListener("error", ({ error }) => {
    // The NATS connection handles ECONNRESET. `defaultPrevented` does not tell, as Deno's test runner always sets it.
    if ((error as { code?: string }).code !== "ECONNRESET") noteStrayError(error);
  });
  // Deno ignores errors thrown by hooks and does not allow tests to exit the process.
  addEventListener("unload", () => {
    for (const error of strayErrors) console.error(describe(error));
    if (strayErrors.length > 0) process.exit(1);
  });
} else {
  process.on("unhandledRejection", noteStrayError);
  process.on("uncaughtException", noteStrayError);
  afterEach(async () => {
    await new Promise((resolve) => setTimeout(resolve)); // unhandled rejections are reported after this
    const [first, ...others] = strayErrors.splice(0);
    for (const error of others) console.error(describe(error));
    if (first !== undefined) throw first;
  });
  process.on("exit", () => {
    for (const error of strayErrors) console.error(describe(error));
    if (strayErrors.length > 0) process.exitCode = 1;
  });
}
