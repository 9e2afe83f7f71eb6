import { fileURLToPath } from "node:url";
import { isByteText } from "./byte_text.ts";
import { excerpt } from "./excerpt.ts";
import { quoteAlways } from "./shell_quote.ts";
import { ShellScanner, type ShellToken } from "./shell_scan.ts";
import { rawTextOf } from "./template_text.ts";

/** A value that {@linkcode sh} can quote as one word. */
export type ShellWord = string | number | bigint | URL;

/** A value that {@linkcode sh} can quote: one word, or an array of words. */
export type ShellValue = ShellWord | readonly ShellWord[];

/** Stands for a value while the template is scanned. No command can contain this character. */
const MARK = "\0";
const scanner = new ShellScanner(MARK);

/** The escapes without which a template literal cannot contain these characters. */
const FORCED_ESCAPE = /\\(?:(`|\$(?=\{))|[^])/g;

/** The text that an array needs before and after it to become separate words. */
const BEFORE_WORDS = /(?:^|(?<!\\)[\s;&|(])$/;
const AFTER_WORDS = /^(?:$|[\s;&|)<>])/;
const REDIRECTION = /[<>][|&]?\s*$/;

/**
 * Builds a shell command from a template literal and quotes each interpolated value, so that the shell treats the value as
 * plain text.
 *
 * - A string, a finite number or a bigint becomes one word, or part of the adjacent word, as in `--file=${path}`. A `file:`
 *   URL becomes its path. A string may have bytes that are not UTF-8, as in {@linkcode Task.cmd}.
 * - An array becomes one word for each element, and no word when it is empty. Put spaces around an array.
 * - The text of the template reaches the shell as written: `\n` and `\\` stay as they are. Only `` \` `` and `\${`, which a
 *   template literal requires, become `` ` `` and `${`.
 *
 * Do not put quotes around a value. Put values before syntax that only a shell can parse: here-documents, comments, `${…}`,
 * backquotes, arithmetic and, inside double quotes, `$(…)`. After such syntax, a value is an error. Programs that parse
 * their arguments again, such as `eval`, `ssh` or `awk`, also parse quoted values; so do `[[ … -eq … ]]`, `let`,
 * `declare -i`, `printf -v` and `test -v` of bash, which evaluate them as arithmetic.
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
    throw new TypeError("Cannot build the command: sh is a tag for a template literal, as in sh`gzip ${file}`");
  }
  const pieces = texts.map((text: string) =>
    rawTextOf(text).replace(FORCED_ESCAPE, (escape: string, plain?: string) => plain ?? escape)
  );
  if (pieces.some((piece) => !isSystemText(piece))) {
    throw new TypeError(`Cannot build the command: its text ${NO_SYSTEM_TEXT}`);
  }
  const { marks, opaque, quotes } = scanner.scan(pieces.join(MARK));
  if (!opaque && marks.length < values.length) {
    throw new TypeError("Cannot build the command: a backslash before a value would escape the quotes of the value");
  }
  const words = values.map((value, index) => {
    const name = `interpolation ${index + 1}`;
    const mark = marks[index];
    if (!mark) throw new TypeError(`Cannot quote ${name}: ${unscannedPlace(opaque!)}`);
    if (mark.quotes !== "") {
      const remedy = "remove these quotes, because sh adds quotes";
      throw new TypeError(`Cannot quote ${name}: it is between ${mark.quotes} and ${mark.quotes}; ${remedy}`);
    }
    if (!isArray(value)) return quoteWord(value, name);
    const [before, after] = [pieces[index]!, pieces[index + 1]!];
    const standsAlone = (before !== "" || index === 0) && (after !== "" || index === values.length - 1) &&
      BEFORE_WORDS.test(before) && AFTER_WORDS.test(after) && !REDIRECTION.test(before);
    if (!standsAlone) {
      throw new TypeError(`Cannot quote ${name}: an array becomes separate words, and needs spaces around it`);
    }
    return value.map((word, element) => quoteWord(word, `element ${element + 1} of ${name}`)).join(" ");
  });
  if (quotes !== "" && !opaque) throw new TypeError(`Cannot build the command: its ${quotes} is not closed`);
  return pieces.reduce((command, piece, index) => command + words[index - 1] + piece);
}

function unscannedPlace(opaque: ShellToken): string {
  const after = `it is after ${excerpt(opaque.text.trim() || opaque.text)}, where quotes can have another meaning`;
  return `${after}; assign the value to a variable first, as in v=\${value}; echo "$v"`;
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

const NO_SYSTEM_TEXT = "must not contain a NUL character or a lone surrogate";

function isSystemText(text: string): boolean {
  return !text.includes("\0") && isByteText(text);
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
