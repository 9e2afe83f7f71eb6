const MAX_LENGTH = 60;

/** A value as it can stand in a message: as JSON, on one line, safe for a terminal, and cut when it is long. */
export function excerpt(value: unknown): string {
  if (typeof value === "number") return String(value);
  const long = typeof value === "string" && value.length > MAX_LENGTH;
  let text: string;
  try {
    text = JSON.stringify(long ? value.slice(0, MAX_LENGTH) : value) ??
      String(value);
  } catch {
    text = Object.prototype.toString.call(value); // String() would throw for some of what JSON cannot hold
  }
  return printable(text.length > MAX_LENGTH || long ? `${text.slice(0, MAX_LENGTH)}…` : text);
}

/** Control characters, those of 8 bits as well, and what breaks lines or turns round the order in which text is shown. */
// deno-lint-ignore no-control-regex -- control characters are what it is about
const STEERING = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** The text with some characters escaped as in JSON, so that nothing in it can steer a terminal or break a line. */
export function printable(text: string): string {
  return text.replace(STEERING, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A value as JSON that is just as {@linkcode printable}, and means the same; `undefined` for what has no form in JSON. */
export function printableJson(value: unknown, replacer?: (key: string, value: unknown) => unknown): string | undefined {
  const json = JSON.stringify(value, replacer) as string | undefined;
  return json && printable(json);
}
