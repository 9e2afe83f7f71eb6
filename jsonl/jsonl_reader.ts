import type { Source } from "./source.ts";
import { type InvalidLineError, type Line, LineReader, type LineReaderOptions, UNFINISHED } from "./line_reader.ts";

/** Options of {@linkcode readJsonLines}. */
export interface ReadJsonLinesOptions<T = unknown> {
  /**
   * Makes a record of the value of a line. What it throws makes the line invalid.
   *
   * @default the value as it is
   */
  parse?: ((value: unknown, lineNumber: number) => T) | undefined;
  /**
   * The longest line in bytes, without its newline. A longer one is an error, found without holding more than this.
   *
   * @default {67_108_864} (64 MiB)
   */
  maxLineBytes?: number | undefined;
  /**
   * What to do about a line that is not valid. With this function the line is handed to it and skipped; without it the
   * first such line ends the reading with that error. What it returns is waited for, and what it throws ends the reading.
   */
  onInvalid?: ((error: InvalidLineError) => unknown) | undefined;
}

/** One line that held a value. */
export interface JsonLine<T = unknown> {
  /** The number of the line in the input, from 1. Blank lines count. */
  lineNumber: number;
  /** What `JSON.parse` made of it, or what `parse` made of that. */
  value: T;
}

/**
 * Reads JSON Lines from bytes, incrementally: a value comes out as soon as its line is complete.
 *
 * Lines end with LF or CRLF; the last one may lack it. Blank lines and a byte order mark at the start are passed over.
 * UTF-8 is checked strictly. Which text is JSON is decided by `JSON.parse`; a key `__proto__` becomes a plain property.
 *
 * @param source bytes in pieces of any size. A piece must not be changed before the next one is asked for.
 * @throws {InvalidLineError} (from the iterator) at the first line that is not valid, unless `onInvalid` is given.
 * @throws {RangeError} when `maxLineBytes` is not an integer of at least 1.
 *
 * @example
 * ```ts
 * import { readJsonLines } from "@x/taskrunner/jsonl";
 * import { assertEquals } from "@std/assert/equals";
 *
 * const problems: string[] = [];
 * const lines = readJsonLines(new Blob(['{"a":1}\n{"a":\n']).stream(), { onInvalid: (e) => problems.push(e.message) });
 * assertEquals(await Array.fromAsync(lines), [{ lineNumber: 1, value: { a: 1 } }]);
 * assertEquals(problems.length, 1);
 * ```
 */
export function readJsonLines<T = unknown>(
  source: Source<Uint8Array>,
  options: ReadJsonLinesOptions<T> = {},
): AsyncIterableIterator<JsonLine<T>> {
  return jsonLineReader(source, options);
}

const LF = 0x0a;

/** A line without the mark that a file may begin with. */
export function withoutByteOrderMark(line: string, lineNumber: number): string {
  return lineNumber === 1 && line.startsWith("\ufeff") ? line.slice(1) : line;
}

/** Whether a line says nothing. */
export function isBlank(line: string): boolean {
  return /^[ \t\r]*$/.test(line);
}

/** Options of {@linkcode jsonLineReader}. */
export interface JsonLineReaderOptions<T> extends ReadJsonLinesOptions<T>, Pick<LineReaderOptions<T>, "accept"> {
  /** Called before `parse` with what `JSON.parse` made of a line and its text; what it returns takes the place of that. */
  refine?: ((value: unknown, text: string, lineNumber: number) => unknown) | undefined;
}

/** {@linkcode readJsonLines} with more than an iterator can do. */
export function jsonLineReader<T>(
  source: Source<Uint8Array>,
  options: JsonLineReaderOptions<T>,
): LineReader<T> {
  const { maxLineBytes = 64 * 1024 * 1024, accept, refine, parse, onInvalid } = options;
  if (!Number.isSafeInteger(maxLineBytes) || maxLineBytes < 1) {
    throw new RangeError(`Cannot read JSON Lines: maxLineBytes must be an integer of at least 1, got ${maxLineBytes}`);
  }
  return new LineReader(source, {
    delimiter: LF,
    maxLineBytes,
    accept,
    onInvalid,
    parse(line, lineNumber, isUnfinished): Line<T> | undefined {
      const text = withoutByteOrderMark(line, lineNumber);
      if (isBlank(text)) return undefined;
      const parsed = parseJson(text, isUnfinished);
      const value = refine ? refine(parsed, text, lineNumber) : parsed;
      return { lineNumber, value: parse ? parse(value, lineNumber) : value as T };
    },
  });
}

/** The value of a text, or an error that says what is wrong with it. */
export function parseJson(text: string, isUnfinished: boolean): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const problem = `it is not valid JSON (${(cause as Error).message})${isUnfinished ? UNFINISHED : ""}`;
    throw new SyntaxError(`Cannot read the line: ${problem}`, { cause });
  }
}
