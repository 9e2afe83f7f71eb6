/** Takes the place of `node:test` in the test files, and keeps what they register. @module */

type Callback = () => unknown;

/** The tests of the files that were loaded. */
export const tests: { name: string; callback: Callback }[] = [];

/** What is to be done after each test. */
export const hooks: Callback[] = [];

/** As `test(name, options, callback)` of `node:test`. */
export function test(name: string, ...rest: unknown[]): void {
  tests.push({ name, callback: rest.at(-1) as Callback });
}

/** As that of `node:test`. */
export function afterEach(hook: Callback): void {
  hooks.push(hook);
}
