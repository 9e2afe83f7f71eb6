import { posix } from "node:path";
import { excerpt } from "../../text/excerpt.ts";
import { quoteAlways } from "../../text/shell_quote.ts";
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

/** What has quotes of its own around a replacement string. */
type Quotes = "" | "'" | '"';

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

const REPLACEMENT = String.raw`(?<replacement>\{(?:\.|/|//|/\.|#)?\})`;
const PARAMETER = String.raw`\$(?:[@*#?$!0-9-]|\{[A-Za-z_][A-Za-z0-9_]*\})`;
const GLOB = String.raw`\[[A-Za-z0-9_!^.,:-]*\]`;
const SUBSCRIPT = String.raw`(?<=[A-Za-z0-9_])\[`;
const BEGINS_COMMENT = String.raw`(?<![^\s;&|()<>])#`;

/**
 * What can come next, by the quotes around it. In something opaque, or after it, a quote may mean something else; of all
 * other pieces only the length matters.
 */
const NEXT: Readonly<Record<Quotes, RegExp>> = {
  "": oneOf(
    REPLACEMENT,
    PARAMETER,
    String.raw`\\[^\n]`,
    "<<<",
    GLOB,
    `(?<quote>['"])`,
    String.raw`(?<opaque>${"`"}|\$[{'[]|\(\(|=\(|<<|\\\n|${SUBSCRIPT}|${BEGINS_COMMENT})`,
    "[^]",
  ),
  '"': oneOf(REPLACEMENT, PARAMETER, String.raw`\\[^]`, '(?<quote>")', String.raw`(?<opaque>${"`"}|\$[{([])`, "[^]"),
  "'": oneOf(REPLACEMENT, "(?<quote>')", "[^]"),
};

function oneOf(...alternatives: string[]): RegExp {
  return new RegExp(alternatives.join("|"), "y");
}

/** Takes a command apart, as far as it can be known where its quotes end; what is opaque after that, if anything is. */
function splitCommand(command: string): { parts: Part[]; rest: string; opaque: string | undefined } {
  const parts: Part[] = [];
  let quotes: Quotes = "";
  let textStart = 0;
  for (let index = 0; index < command.length;) {
    const next: RegExp = NEXT[quotes];
    next.lastIndex = index;
    const { 0: token, groups }: RegExpExecArray = next.exec(command)!;
    const { replacement, quote, opaque } = groups!;
    if (opaque) {
      refuseReplacement(command.slice(index), opaque);
      return { parts, rest: command.slice(textStart), opaque };
    }
    if (replacement) {
      parts.push({ text: command.slice(textStart, index), quotes, replace: REPLACEMENTS[replacement]! });
      textStart = index + token.length;
    }
    if (quote) quotes = quotes === "" ? quote as Quotes : "";
    index += token.length;
  }
  if (quotes !== "") throw new UsageError(`The command has a ${quotes} that is not closed: ${excerpt(command)}`);
  return { parts, rest: command.slice(textStart), opaque: undefined };
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
