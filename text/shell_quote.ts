/** Text that every shell takes literally, except as the name of a command. */
const SAFE = /^[A-Za-z0-9_./][A-Za-z0-9_./-]*$/;

/**
 * Quotes any text as one argument of a shell command. Text must enter a script only through the functions of this file.
 */
export function shellQuote(text: string): string {
  return SAFE.test(text) ? text : quoteAlways(text);
}

/** Quotes even text that looks safe, for use as a command name or within a word. In quotes only `'` is special. */
export function quoteAlways(text: string): string {
  return text.includes("'") ? `'${text.replaceAll("'", "'\\''")}'` : `'${text}'`;
}
