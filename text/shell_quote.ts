/** What no shell gives a meaning to, wherever it stands but in the place of a command. */
const SAFE = /^[A-Za-z0-9_./][A-Za-z0-9_./-]*$/;

/**
 * The text as one argument of a shell command, whatever is in it. This file is the only place where text becomes part of a
 * script.
 */
export function shellQuote(text: string): string {
  return SAFE.test(text) ? text : quoteAlways(text);
}

/** The same for any place, such as that of a command, or between other text: in quotes nothing has a meaning but the quote. */
export function quoteAlways(text: string): string {
  return text.includes("'") ? `'${text.replaceAll("'", "'\\''")}'` : `'${text}'`;
}
