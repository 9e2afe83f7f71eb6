import { posix } from "node:path";
import { excerpt } from "../../text/excerpt.ts";
import { quoteAlways } from "../../text/shell_quote.ts";
import { type Quotes, ShellScanner } from "../../text/shell_scan.ts";
import { UsageError } from "./usage_error.ts";

/** What each replacement string, as GNU parallel has them, makes of a value and its number. */
const REPLACEMENTS: Readonly<Record<string, (value: string, number: number) => string>> = {
  "{}": (value) => value,
  "{.}": withoutExtension,
  "{/}": basename,
  "{//}": (value) => posix.dirname(value).replace(/(?<=[^])\/+$/, ""),
  "{/.}": (value) => withoutExtension(basename(value)),
  "{#}": (_, number) => `${number}`,
};

/** Text of the command, and then a value. */
interface Part {
  text: string;
  quotes: Quotes;
  replace: (value: string, number: number) => string;
}

/**
 * A shell command with replacement strings in it. Whatever a value is, the shell takes it as text and as nothing else: it
 * is quoted there, and in a command that has quotes around the place these are closed before it and opened again after.
 * What parses text once more, as `eval` does, is left to the command.
 *
 * For that it has to be known where the quotes of the command begin and end, and a small part of the shell's grammar is
 * enough to know. After anything beyond that no replacement string is accepted.
 */
export class CommandTemplate {
  readonly #parts: readonly Part[];
  readonly #rest: string;

  /**
   * Takes a command apart. To one that has no replacement string ` {}` is added, as GNU parallel does.
   *
   * @throws {UsageError} where it cannot be known how to quote a value.
   */
  constructor(command: string) {
    const split = splitCommand(command);
    const { parts, rest } = split.parts.length > 0 ? split : splitCommand(withValueAtEnd(command, split.opaque));
    this.#parts = parts;
    this.#rest = rest;
  }

  /** The command for a value. */
  commandFor(value: string, number: number): string {
    const parts = this.#parts.map(({ text, quotes, replace }) => {
      return `${text}${quotes}${quoteAlways(replace(value, number))}${quotes}`;
    });
    return parts.join("") + this.#rest;
  }
}

const REPLACEMENT = String.raw`\{(?:\.|/|//|/\.|#)?\}`;
const scanner = new ShellScanner(REPLACEMENT);

/** Takes a command apart, as far as it can be known where its quotes end; what is opaque after that, if anything is. */
function splitCommand(command: string): { parts: Part[]; rest: string; opaque: string | undefined } {
  const { marks, opaque, quotes } = scanner.scan(command);
  if (opaque) refuseReplacement(command.slice(opaque.index), opaque.text);
  else if (quotes !== "") throw new UsageError(`The command has a ${quotes} that is not closed: ${excerpt(command)}`);
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
    const problem = opaque ? `, and after ${excerpt(opaque)} none can be added` : "";
    throw new UsageError(`The command has no {} where a value goes${problem}: ${excerpt(command)}`);
  }
  return `${trimmed} {}`;
}

function refuseReplacement(text: string, opaque: string): void {
  const [replacement] = new RegExp(REPLACEMENT).exec(text) ?? [];
  if (!replacement) return;
  // In arithmetic some shells would even take the value of a variable for an expression, with commands in it.
  const hint = /^\$?(?:\(\(|\[)/.test(text)
    ? ""
    : `: give the value a name before that, as in 'v=${replacement}; echo "$(basename "$v")"'`;
  throw new UsageError(`Cannot tell how to quote ${replacement} after ${excerpt(opaque)}${hint}`);
}

function withoutExtension(path: string): string {
  return path.replace(/\.[^/.]*$/, "");
}

function basename(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
