import { excerpt } from "../../text/excerpt.ts";
import { quoteAlways } from "../../text/shell_quote.ts";
import { type Quotes, ShellScanner } from "../../text/shell_scan.ts";
import { UsageError } from "../args/usage_error.ts";
import { type Placeholder, type PlaceholderSyntax, type TaskValues, textsOf } from "./placeholder.ts";
import { SLOT_EXPANSION, type Template } from "./template.ts";

/** Text of the command, followed by a placeholder. */
interface Part {
  text: string;
  quotes: Quotes;
  placeholder: Placeholder;
}

/**
 * A shell command with placeholders. The shell takes every value as text only: the value is quoted, and where the
 * command has quotes around the placeholder, they are closed before the value and opened again after it. A command
 * that parses text again, as `eval` does, has to do that safely itself.
 *
 * The scanner finds the quotes of the command with a small part of the shell's grammar. After anything beyond that part, a
 * placeholder is an error.
 */
export class CommandTemplate implements Template {
  readonly placeholders: readonly Placeholder[];
  readonly #parts: readonly Part[];
  readonly #rest: string;

  /**
   * Parses a command. Appends ` {}` to a command without a placeholder, as GNU parallel does, unless `appends` is false.
   *
   * @throws {UsageError} where the quoting of a value is unknown, and for an unknown placeholder.
   */
  constructor(command: string, syntax: PlaceholderSyntax, appends = true) {
    const scanner = new ShellScanner(syntax.mark);
    const split = splitCommand(command, syntax, scanner);
    const isComplete = split.parts.length > 0 || !appends;
    const { parts, rest } = isComplete
      ? split
      : splitCommand(withValueAtEnd(command, split.opaque, syntax.all), syntax, scanner);
    this.#parts = parts;
    this.#rest = rest;
    this.placeholders = parts.map(({ placeholder }) => placeholder);
  }

  commandFor(task: TaskValues): string {
    const parts = this.#parts.map(({ text, quotes, placeholder }) => {
      return `${text}${quotes}${quoted(placeholder, quotes, task)}${quotes}`;
    });
    return parts.join("") + this.#rest;
  }
}

/** Returns the text of a placeholder for the shell. Without quotes around it each value is a word, else all are one. */
function quoted(placeholder: Placeholder, quotes: Quotes, task: TaskValues): string {
  if (placeholder.kind === "slot") return SLOT_EXPANSION;
  const texts = textsOf(placeholder, task);
  return quotes === "" ? texts.map(quoteAlways).join(" ") : quoteAlways(texts.join(" "));
}

/** Splits a command at its placeholders. `opaque` is the first syntax that the scanner does not parse. */
function splitCommand(
  command: string,
  syntax: PlaceholderSyntax,
  scanner: ShellScanner,
): { parts: Part[]; rest: string; opaque: string | undefined } {
  const { marks, opaque, quotes } = scanner.scan(command);
  if (opaque) refusePlaceholder(command.slice(opaque.index), opaque.text, syntax);
  else if (quotes !== "") {
    throw new UsageError(`Cannot parse COMMAND: it has a ${quotes} that is not closed: ${excerpt(command)}`);
  }
  let textStart = 0;
  const parts = marks.map(({ text: mark, index, quotes }): Part => {
    const text = command.slice(textStart, index);
    textStart = index + mark.length;
    return { text, quotes, placeholder: syntax.parse(mark) };
  });
  return { parts, rest: command.slice(textStart), opaque: opaque?.text };
}

function withValueAtEnd(command: string, opaque: string | undefined, placeholder: string): string {
  const trimmed = command.replace(/\n+$/, "");
  if (opaque || /[;&|(<>]\s*$/.test(trimmed)) {
    const reason = opaque ? `it contains ${excerpt(opaque)}` : "it ends with an operator";
    const remedy = `write ${placeholder} where the value goes`;
    throw new UsageError(`Cannot append ${placeholder} to ${excerpt(command)}: ${reason}; ${remedy}`);
  }
  return `${trimmed} ${placeholder}`;
}

function refusePlaceholder(text: string, opaque: string, syntax: PlaceholderSyntax): void {
  const [placeholder] = new RegExp(syntax.mark).exec(text) ?? [];
  if (!placeholder) return;
  // A variable is no remedy in arithmetic, where some shells evaluate its value as an expression that may run commands.
  const hint = /^\$?(?:\(\(|\[)/.test(text)
    ? ""
    : `; assign the value to a variable first, as in 'v=${placeholder}; echo "$(basename "$v")"'`;
  throw new UsageError(`Cannot quote ${placeholder} after ${excerpt(opaque)}: the shell could run the value${hint}`);
}
