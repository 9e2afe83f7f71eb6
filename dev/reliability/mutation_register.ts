/** Replaces `node:test` in the test files and collects their tests. @module */

type Callback = () => unknown;

/** The tests of all loaded files. */
export const tests: { name: string; callback: Callback }[] = [];

/** Callbacks to run after each test. */
export const hooks: Callback[] = [];

/** Replaces `test(name, options, callback)` of `node:test`. */
export function test(name: string, ...rest: unknown[]): void {
  tests.push({ name, callback: rest.at(-1) as Callback });
}

/** Replaces `afterEach` of `node:test`. */
export function afterEach(hook: Callback): void {
  hooks.push(hook);
}
