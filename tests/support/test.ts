/** `test()` of `node:test` with a default timeout. */

import { test as nodeTest, type TestContext } from "node:test";

/** The time limit of a test. It only ends tests that hang, however busy the machine is. */
export const TIMEOUT = { timeout: 600_000 };

/** Options of a test. */
export interface TestOptions {
  /**
   * Time limit, in milliseconds.
   *
   * @default {600_000}
   */
  timeout?: number;
  /** Skips the test; a string is the reason. */
  skip?: boolean | string;
}

/** The body of a test. */
export type TestFunction = (context: TestContext) => void | Promise<void>;

/** Defines a test that fails after {@linkcode TIMEOUT}. */
export function test(name: string, fn: TestFunction): void;
/** Defines a test with options, such as a longer time limit. */
export function test(name: string, options: TestOptions, fn: TestFunction): void;
export function test(name: string, options: TestOptions | TestFunction, fn?: TestFunction): void {
  const [given, body] = typeof options === "function" ? [{}, options] : [options, fn!];
  nodeTest(name, { ...TIMEOUT, ...given }, (context) => body(context));
}
