import { fileURLToPath } from "node:url";
import { excerpt } from "./excerpt.ts";
import { quoteAlways } from "./shell_quote.ts";
import { ShellScanner, type ShellToken } from "./shell_scan.ts";

/** A value that {@linkcode sh} can quote as one word. */
export type ShellWord = string | number | bigint | URL;

/** A value that {@linkcode sh} can quote: one word, or an array of words. */
export type ShellValue = ShellWord | readonly ShellWord[];

/** Stands for a value while the template is scanned. No command can contain this character. */
const MARK = "\0";
const scanner = new ShellScanner(MARK);

/** The escapes without which a template literal cannot contain these characters. */
const FORCED_ESCAPE = /\\(?:(`|\$(?=\{))|[^])/g;

/** What an array may stand between, to be several words. */
const BEFORE_WORDS = /(?:^|[\s;&|(])$/;
const AFTER_WORDS = /^(?:$|[\s;&|)<>])/;
const REDIRECTION = /[<>]\s*$/;

/**
 * Makes a shell command of a template literal, in which each interpolated value is quoted: the shell takes it as text,
 * whatever is in it.
 *
 * - A string, a finite number and a bigint are one word, or a part of the word that they touch, as in `--file=${path}`.
 *   A `file:` URL stands for its path.
 * - An array is one word for each of its elements, and none when it is empty. It must stand alone between spaces.
 * - The text of the template reaches the shell as it is written, so `\n` and `\\` stay as they are. Only `` \` `` and
 *   `\${`, which a template literal needs, become `` ` `` and `${`.
 *
 * Do not put quotes around a value, and put values before what only a shell can parse: here-documents, comments, `${…}`,
 * backquotes, arithmetic and, inside double quotes, `$(…)`. A value that could mean something else there is an error.
 * A program that parses its arguments once more, such as `eval`, `ssh` or `awk`, does so with a quoted value, too.
 *
 * @returns a command for {@linkcode Task.cmd} of a POSIX shell.
 * @throws `TypeError` when a value cannot be quoted where it stands; the message has its number, from 1.
 *
 * @example
 * ```ts
 * import { run, sh } from "@x/taskrunner";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const name = "it's $HOME";
 * const lines = ["a b", "*"];
 * for await (const { stdout } of run([{ cmd: sh`printf '%s\n' name=${name} ${lines} | sort` }])) {
 *   assertEquals(stdout, "*\na b\nname=it's $HOME\n");
 * }
 * ```
 */
export function sh(template: TemplateStringsArray, ...values: readonly ShellValue[]): string {
  const texts = (template as Partial<TemplateStringsArray> | undefined)?.raw;
  if (!Array.isArray(texts) || texts.length !== values.length + 1) {
    throw new TypeError("Cannot make a command: sh is a tag for a template literal, as in sh`gzip ${file}`");
  }
  const pieces = texts.map((text: string) =>
    text.replace(FORCED_ESCAPE, (escape: string, plain?: string) => plain ?? escape)
  );
  if (pieces.some((piece) => !isSystemText(piece))) {
    throw new TypeError(`Cannot make a command: its text ${NO_SYSTEM_TEXT}`);
  }
  const { marks, opaque, quotes } = scanner.scan(pieces.join(MARK));
  if (!opaque && marks.length < values.length) {
    throw new TypeError("Cannot make a command: a backslash stands before a value, whose quotes it would change");
  }
  const words = values.map((value, index) => {
    const name = `interpolation ${index + 1}`;
    const mark = marks[index];
    if (!mark) throw new TypeError(`Cannot quote ${name}: ${unscannedPlace(opaque!)}`);
    if (mark.quotes !== "") {
      const remedy = "remove these quotes, because the value is quoted already";
      throw new TypeError(`Cannot quote ${name}: it stands between ${mark.quotes} and ${mark.quotes}; ${remedy}`);
    }
    if (!isArray(value)) return quoteWord(value, name);
    const [before, after] = [pieces[index]!, pieces[index + 1]!];
    const standsAlone = (before !== "" || index === 0) && (after !== "" || index === values.length - 1) &&
      BEFORE_WORDS.test(before) && AFTER_WORDS.test(after) && !REDIRECTION.test(before);
    if (!standsAlone) {
      throw new TypeError(`Cannot quote ${name}: an array is several words, and must stand alone between spaces`);
    }
    return value.map((word, element) => quoteWord(word, `element ${element + 1} of ${name}`)).join(" ");
  });
  if (quotes !== "" && !opaque) throw new TypeError(`Cannot make a command: its ${quotes} is not closed`);
  return pieces.reduce((command, piece, index) => command + words[index - 1] + piece);
}

function unscannedPlace(opaque: ShellToken): string {
  const after = `it stands after ${excerpt(opaque.text.trim() || opaque.text)}, where quotes can mean something else`;
  return `${after}; assign it to a variable before that, as in v=\${value}; echo "$v"`;
}

function quoteWord(value: unknown, name: string): string {
  const text = wordOf(value);
  if (text === undefined) {
    const kinds = "a string, a finite number, a bigint, a file: URL, or an array of these";
    throw new TypeError(`Cannot quote ${name}: it must be ${kinds}, got ${shown(value)}`);
  }
  if (!isSystemText(text)) throw new TypeError(`Cannot quote ${name}: it ${NO_SYSTEM_TEXT}, got ${excerpt(text)}`);
  return quoteAlways(text);
}

const NO_SYSTEM_TEXT = "must not contain a NUL character or half of a surrogate pair";

function isSystemText(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}

function isArray(value: ShellValue): value is readonly ShellWord[] {
  return Array.isArray(value);
}

function wordOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "bigint" || Number.isFinite(value)) return String(value);
  if (!(value instanceof URL) || value.protocol !== "file:") return undefined;
  try {
    return fileURLToPath(value);
  } catch {
    return undefined; // of another host, or with an encoded slash
  }
}

function shown(value: unknown): string {
  return typeof value === "symbol" || typeof value === "function" ? typeof value : excerpt(value);
}
