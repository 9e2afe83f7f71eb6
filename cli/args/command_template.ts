import { posix } from "node:path";
import { excerpt } from "../../text/excerpt.ts";
import { quoteAlways } from "../../text/shell_quote.ts";
import { type Quotes, ShellScanner } from "../../text/shell_scan.ts";
import { UsageError } from "./usage_error.ts";

/** The replacement strings of GNU parallel: what each makes of a value and of the number of its task. */
const REPLACEMENTS: Readonly<Record<string, (value: string, number: number) => string>> = {
  "{}": (value) => value,
  "{.}": withoutExtension,
  "{/}": basename,
  "{//}": (value) => posix.dirname(value).replace(/(?<=[^])\/+$/, ""),
  "{/.}": (value) => withoutExtension(basename(value)),
  "{#}": (_, number) => `${number}`,
};

/** Text of the command, followed by a value. */
interface Part {
  text: string;
  quotes: Quotes;
  replace: (value: string, number: number) => string;
}

/**
 * A shell command with replacement strings. The shell takes every value as text only: the value is quoted, and where the
 * command has quotes around the replacement string, they are closed before the value and opened again after it. A command
 * that parses text again, as `eval` does, has to do that safely itself.
 *
 * The scanner finds the quotes of the command with a small part of the shell's grammar. After anything beyond that part, a
 * replacement string is an error.
 */
export class CommandTemplate {
  readonly #parts: readonly Part[];
  readonly #rest: string;

  /**
   * Parses a command. Appends ` {}` to a command without a replacement string, as GNU parallel does.
   *
   * @throws {UsageError} where the quoting of a value is unknown.
   */
  constructor(command: string) {
    const split = splitCommand(command);
    const { parts, rest } = split.parts.length > 0 ? split : splitCommand(withValueAtEnd(command, split.opaque));
    this.#parts = parts;
    this.#rest = rest;
  }

  /** Returns the command for a value. */
  commandFor(value: string, number: number): string {
    const parts = this.#parts.map(({ text, quotes, replace }) => {
      return `${text}${quotes}${quoteAlways(replace(value, number))}${quotes}`;
    });
    return parts.join("") + this.#rest;
  }
}

const REPLACEMENT = String.raw`\{(?:\.|/|//|/\.|#)?\}`;
const scanner = new ShellScanner(REPLACEMENT);

/** Splits a command at its replacement strings. `opaque` is the first syntax that the scanner does not parse. */
function splitCommand(command: string): { parts: Part[]; rest: string; opaque: string | undefined } {
  const { marks, opaque, quotes } = scanner.scan(command);
  if (opaque) refuseReplacement(command.slice(opaque.index), opaque.text);
  else if (quotes !== "") {
    throw new UsageError(`Cannot parse COMMAND: it has a ${quotes} that is not closed: ${excerpt(command)}`);
  }
  let textStart = 0;
  const parts = marks.map(({ text: replacement, index, quotes }): Part => {
    const text = command.slice(textStart, index);
    textStart = index + replacement.length;
    return { text, quotes, replace: REPLACEMENTS[replacement]! };
  });
  return { parts, rest: command.slice(textStart), opaque: opaque?.text };
}

function withValueAtEnd(command: string, opaque: string | undefined): string {
  const trimmed = command.replace(/\n+$/, "");
  if (opaque || /[;&|(<>]\s*$/.test(trimmed)) {
    const reason = opaque ? `it contains ${excerpt(opaque)}` : "it ends with an operator";
    throw new UsageError(`Cannot append {} to ${excerpt(command)}: ${reason}; write {} where the value goes`);
  }
  return `${trimmed} {}`;
}

function refuseReplacement(text: string, opaque: string): void {
  const [replacement] = new RegExp(REPLACEMENT).exec(text) ?? [];
  if (!replacement) return;
  // A variable is no remedy in arithmetic, where some shells evaluate its value as an expression that may run commands.
  const hint = /^\$?(?:\(\(|\[)/.test(text)
    ? ""
    : `; assign the value to a variable first, as in 'v=${replacement}; echo "$(basename "$v")"'`;
  throw new UsageError(`Cannot quote ${replacement} after ${excerpt(opaque)}: the shell could run the value${hint}`);
}

function withoutExtension(path: string): string {
  return path.replace(/\.[^/.]*$/, "");
}

function basename(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
