import { Buffer } from "node:buffer";
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

/** Text that every shell takes literally after the name of a command. zsh and fish expand a leading `=` or `%`. */
const PLAIN_ARGUMENT = /^(?![=%])[A-Za-z0-9_./:@%+,=-]+$/;
/** A name that no shell takes for its own syntax. */
const PLAIN_NAME = /^[A-Za-z0-9_./+-]+$/;
const RESERVED = /^(?:case|do|done|elif|else|esac|fi|for|function|if|in|select|then|time|until|while)$/;

/** Quotes text for people as an argument of a command: flags such as `--jobs=4` stay without quotes. */
export function quoteArgument(text: string): string {
  return PLAIN_ARGUMENT.test(text) ? text : quoteAlways(text);
}

/** Returns the shell command that runs a program with arguments, with quotes only where necessary. */
export function shellCommand([name = "", ...args]: readonly string[]): string {
  const command = PLAIN_NAME.test(name) && !RESERVED.test(name) ? name : quoteAlways(name);
  return [command, ...args.map(quoteArgument)].join(" ");
}

/** Returns the text of a command: the shell command itself, or that of a program and its arguments. */
export function commandText(command: string | readonly string[]): string {
  return typeof command === "string" ? command : shellCommand(command);
}

/**
 * Returns a shell command without newlines and other unprintable characters, for which `printf %b` has escapes. A command
 * without such characters stays as it is.
 */
export function oneLineCommand(command: string): string {
  if (printable(command) === command) return command;
  const escaped = command.replaceAll("\\", "\\\\").replace(UNPRINTABLE, (character) => printfEscapes(character));
  return `eval "$(printf %b ${quoteAlways(escaped)})"`;
}

/** Returns ASCII text that `printf %b` converts to some bytes. */
export function printfEscapes(text: string | Uint8Array): string {
  const bytes = typeof text === "string" ? encodeByteText(text) : text;
  const latin1 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  return latin1.replace(/[^ -~]|\\/g, (byte) => `\\0${byte.charCodeAt(0).toString(8).padStart(3, "0")}`);
}
