import { encodeByteText } from "./byte_text.ts";
import { printable, UNPRINTABLE } from "./excerpt.ts";

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

/** An argument that every shell takes literally, and a name that no shell takes for its own syntax. */
const PLAIN_ARGUMENT = /^[A-Za-z0-9_./:@%+,=-]+$/;
const PLAIN_NAME = /^[A-Za-z0-9_./+-]+$/;
const RESERVED = /^(?:case|do|done|elif|else|esac|fi|for|function|if|in|select|then|time|until|while)$/;

/** Returns the shell command that runs a program with arguments, with quotes only where necessary. */
export function shellCommand([name = "", ...args]: readonly string[]): string {
  const command = PLAIN_NAME.test(name) && !RESERVED.test(name) ? name : quoteAlways(name);
  return [command, ...args.map((arg) => PLAIN_ARGUMENT.test(arg) ? arg : quoteAlways(arg))].join(" ");
}

/**
 * Returns a shell command without newlines and other unprintable characters, for which `printf %b` has escapes. A command
 * without such characters stays as it is.
 */
export function oneLineCommand(command: string): string {
  if (printable(command) === command) return command;
  const escaped = command.replaceAll("\\", "\\\\").replace(UNPRINTABLE, octalEscapes);
  return `eval "$(printf %b ${quoteAlways(escaped)})"`;
}

/** Returns the escapes of `printf %b` for the bytes of text. */
export function octalEscapes(text: string | Uint8Array): string {
  const bytes = typeof text === "string" ? encodeByteText(text) : text;
  return Array.from(bytes, (byte) => `\\0${byte.toString(8).padStart(3, "0")}`).join("");
}
