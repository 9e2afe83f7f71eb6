const MAX_LENGTH = 60;

/** Formats a value for a message: JSON on one line, safe to print on a terminal, truncated to 60 characters. */
export function excerpt(value: unknown): string {
  if (typeof value === "number") return String(value);
  const long = typeof value === "string" && value.length > MAX_LENGTH;
  let text: string;
  try {
    text = JSON.stringify(long ? value.slice(0, MAX_LENGTH) : value) ??
      String(value);
  } catch {
    text = Object.prototype.toString.call(value); // String() can throw, too, as for an object without a prototype
  }
  return printable(text.length > MAX_LENGTH || long ? `${text.slice(0, MAX_LENGTH)}…` : text);
}

/** C0 and C1 control characters, line separators, and the marks that change the direction of text. */
// deno-lint-ignore no-control-regex -- matching control characters is the purpose
export const UNPRINTABLE = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Escapes control characters as JSON does, so that the text can neither control a terminal nor break a line. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Returns a value as {@linkcode printable} JSON that parses to that value; `undefined` if JSON cannot represent it. */
export function printableJson(value: unknown, replacer?: (key: string, value: unknown) => unknown): string | undefined {
  const json = JSON.stringify(value, replacer) as string | undefined;
  return json && printable(json);
}
