/** Ids of tasks made from values. Different values have different ids, which do not depend on the order of the input. @module */

import process from "node:process";
import { encodeByteText, hasEscapedBytes } from "../../text/byte_text.ts";
import { formatCount } from "../../text/format.ts";
import { quoteArgument } from "../../text/shell_quote.ts";

/** A value of which no escaped form can be an id, as `$'…'` begins one and ` (2)` ends a repeated one. */
const AMBIGUOUS = /^\$'| \(\d+\)$/;
// deno-lint-ignore no-control-regex -- matching control characters is the purpose
const CONTROL = /[\x00-\x1f\x7f]/;
/** Characters to escape within `$'…'`: control characters, backslash, quote, and bytes that are not UTF-8. */
// deno-lint-ignore no-control-regex -- matching control characters is the purpose
const ESCAPED = /[\x00-\x1f\x7f\\']|(?<![\ud800-\udbff])[\udc80-\udcff]/g;

/** Limit of the length of the id of gathered values. */
const MAX_GROUP_LENGTH = 200;
/** Limit of the length of a value within the id of a larger group. */
const MAX_END_LENGTH = 60;
const DIGEST_DIGITS = 16;

/** Returns the id of a task with one value: the value, or its form `$'…'` if the value is not UTF-8 or is ambiguous. */
export function idOfValue(value: string): string {
  return hasEscapedBytes(value) || AMBIGUOUS.test(value) ? ansiQuote(value) : value;
}

/** Returns the id of a task with several values: the values as words of a shell. */
export function idOfValues(values: readonly string[]): string {
  return values.map(wordOf).join(" ");
}

/** Returns the id of gathered values: {@linkcode idOfValues}, or, if that is long, the first and last value and a digest. */
export function idOfGroup(values: readonly string[]): string {
  // No id of fewer characters than this can be short enough.
  const isShort = values.length <= MAX_GROUP_LENGTH / 2 + 1 &&
    values.reduce((sum, { length }) => sum + length, 0) <= MAX_GROUP_LENGTH;
  const id = isShort ? idOfValues(values) : undefined;
  if (id !== undefined && id.length <= MAX_GROUP_LENGTH) return id;
  const { createHash } = process.getBuiltinModule("node:crypto"); // takes 8 ms to load, and few ids need it
  const hash = createHash("sha256");
  for (const value of values) hash.update(encodeByteText(value)).update("\0");
  const digest = hash.digest("hex").slice(0, DIGEST_DIGITS);
  const count = `${formatCount(values.length)} value${values.length === 1 ? "" : "s"}`;
  return `${wordOf(shortened(values[0]!))} … ${wordOf(shortened(values.at(-1)!))} (${count}, ${digest})`;
}

function wordOf(value: string): string {
  return CONTROL.test(value) || hasEscapedBytes(value) ? ansiQuote(value) : quoteArgument(value);
}

/** Writes text as `$'…'`, as bash and `ls` do: bytes and control characters become octal numbers. */
function ansiQuote(value: string): string {
  const text = value.replace(ESCAPED, (character) => {
    if (character === "\n") return "\\n";
    if (character === "\t") return "\\t";
    if (character === "\\" || character === "'") return `\\${character}`;
    return `\\${(character.charCodeAt(0) & 0xff).toString(8).padStart(3, "0")}`;
  });
  return `$'${text}'`;
}

function shortened(value: string): string {
  const characters = Array.from(value.slice(0, 2 * MAX_END_LENGTH + 2));
  return characters.length > MAX_END_LENGTH ? `${characters.slice(0, MAX_END_LENGTH).join("")}…` : value;
}
