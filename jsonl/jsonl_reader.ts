import type { Source } from "./source.ts";
import { type InvalidLineError, type Line, LineReader, type LineReaderOptions, UNFINISHED } from "./line_reader.ts";

/** Options of {@linkcode readJsonLines}. */
export interface ReadJsonLinesOptions<T = unknown> {
  /**
   * Converts the parsed value of a line to a record. If the function throws, the line is invalid.
   *
   * @default the value unchanged
   */
  parse?: ((value: unknown, lineNumber: number) => T) | undefined;
  /**
   * Maximum length of a line in bytes, without its newline. A longer line is invalid, and is detected without buffering
   * more bytes than this limit.
   *
   * @default {67_108_864} (64 MiB)
   */
  maxLineBytes?: number | undefined;
  /**
   * Called for each invalid line, which is then skipped. A returned promise is awaited; an error that it throws ends
   * the iteration. Without this callback the first invalid line ends the iteration with its error.
   */
  onInvalid?: ((error: InvalidLineError) => unknown) | undefined;
}

/** A line with its value. */
export interface JsonLine<T = unknown> {
  /** Number of the line in the input, starting at 1. Blank lines count. */
  lineNumber: number;
  /** The parsed value of the line, converted by `parse` if given. */
  value: T;
}

/**
 * Reads JSON Lines from bytes incrementally: yields each value as soon as its line is complete.
 *
 * Lines end with LF or CRLF; the last line end is optional. Blank lines and a leading byte order mark are skipped.
 * Invalid UTF-8 is an error. Values are parsed by `JSON.parse`, so a key `__proto__` becomes a plain property.
 *
 * @param source Bytes in chunks of any size. A chunk must stay unchanged until the next one is requested.
 * @throws {InvalidLineError} (from the iterator) at the first invalid line, unless `onInvalid` is given.
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

/** Strips the byte order mark that the first line may have. */
export function withoutByteOrderMark(line: string, lineNumber: number): string {
  return lineNumber === 1 && line.startsWith("\ufeff") ? line.slice(1) : line;
}

/** Returns whether a line contains only spaces, tabs and carriage returns. */
export function isBlank(line: string): boolean {
  return /^[ \t\r]*$/.test(line);
}

/** Options of {@linkcode jsonLineReader}. */
export interface JsonLineReaderOptions<T> extends ReadJsonLinesOptions<T>, Pick<LineReaderOptions<T>, "accept"> {
  /** Called before `parse` with the value of a line and its text. Returns the value to use. */
  refine?: ((value: unknown, text: string, lineNumber: number) => unknown) | undefined;
}

/** Returns a {@linkcode LineReader} of JSON Lines. {@linkcode readJsonLines} exposes it as a plain iterator. */
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

/** Parses a line. The error of an unfinished line adds that the input may be truncated. */
export function parseJson(text: string, isUnfinished: boolean): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const problem = `it is not valid JSON (${(cause as Error).message})${isUnfinished ? UNFINISHED : ""}`;
    throw new SyntaxError(`Cannot read the line: ${problem}`, { cause });
  }
}
