/**
 * Makes a file of tests fail when an error has reached nobody: a rejection that nothing handles, an exception of a timer,
 * or either of these in a program that a test has started. The runtimes pass over some: Deno over errors of timers, Deno
 * and Node over promises that reject as a test ends.
 *
 * @module
 */

import process from "node:process";
import { afterEach } from "node:test";

/** Errors that no test has failed by so far. */
const strayErrors: unknown[] = [];

/** Lets the test that is running fail, or else the file. */
export function noteStrayError(error: unknown): void {
  strayErrors.push(error);
}

/** What a runtime prints last, or first, when an error that nobody has caught ends a program. */
const MARK_OF_CRASH = /^(?:Node\.js v\d|Bun v\d|error: Uncaught )/m;

/** Whether an error that nobody caught has ended a program, by what it has printed to standard error. */
export function hasCrashed(stderr: string): boolean {
  return MARK_OF_CRASH.test(stderr);
}

function describe(error: unknown): string {
  return `An error has reached nobody: ${error instanceof Error ? error.stack : error}`;
}

if ("Deno" in globalThis) {
  addEventListener("unhandledrejection", ({ reason }) => noteStrayError(reason));
  addEventListener("error", ({ error }) => {
    // The connection to NATS handles these. It cannot be seen by the event: Deno's runner prevents the default of each.
    if ((error as { code?: string }).code !== "ECONNRESET") noteStrayError(error);
  });
  // An error of a hook would be passed over, and within a test nothing may end the process.
  addEventListener("unload", () => {
    for (const error of strayErrors) console.error(describe(error));
    if (strayErrors.length > 0) process.exit(1);
  });
} else {
  process.on("unhandledRejection", noteStrayError);
  process.on("uncaughtException", noteStrayError);
  afterEach(async () => {
    await new Promise((resolve) => setTimeout(resolve)); // a rejection counts as unhandled only then
    const [first, ...others] = strayErrors.splice(0);
    for (const error of others) console.error(describe(error));
    if (first !== undefined) throw first;
  });
  process.on("exit", () => {
    for (const error of strayErrors) console.error(describe(error));
    if (strayErrors.length > 0) process.exitCode = 1;
  });
}
