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

/** The text with its control characters escaped, so that nothing in it can steer a terminal or break a line. */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what it is about
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (control) => {
    return `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
