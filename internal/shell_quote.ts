/** What no shell gives a meaning to, wherever it stands but in the place of a command. */
const SAFE = /^[A-Za-z0-9_./][A-Za-z0-9_./-]*$/;

/**
 * The text as one argument of a shell command, whatever is in it: in single quotes nothing means anything but the quote.
 * This is the only place where text becomes part of a script.
 */
export function shellQuote(text: string): string {
  if (SAFE.test(text)) return text;
  return text.includes("'") ? `'${text.replaceAll("'", "'\\''")}'` : `'${text}'`;
}
