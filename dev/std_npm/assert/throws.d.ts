export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any -- the constructor of any error
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
): E;
