import { ByteBuffer } from "./internal/byte_buffer.ts";
import { printable } from "./internal/excerpt.ts";
import { type Source, SourceReader } from "./internal/source.ts";

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

/** A line that cannot be used: not UTF-8, not JSON, too long, or not the record that was asked for. */
export class InvalidLineError extends SyntaxError {
  /** The number of the line in the input, from 1. */
  readonly lineNumber: number;
  /** What is wrong, without the number of the line. */
  readonly problem: string;

  /** Makes the error for one line. */
  constructor(lineNumber: number, problem: string, options?: ErrorOptions) {
    super(`Line ${lineNumber}: ${problem}`, options);
    this.name = "InvalidLineError";
    this.lineNumber = lineNumber;
    this.problem = problem;
  }
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
  return new JsonLinesReader(source, options);
}

/** Reads JSON Lines to their end, as {@linkcode readJsonLines} does, and gives how many values there are. */
export function countJsonLines<T>(source: Source<Uint8Array>, options: ReadJsonLinesOptions<T>): Promise<number> {
  return new JsonLinesReader(source, options).count();
}

const LF = 0x0a;
const BLANK = /^[ \t\r]*$/;

class JsonLinesReader<T> implements AsyncIterableIterator<JsonLine<T>> {
  readonly #source: SourceReader<Uint8Array>;
  readonly #maxLineBytes: number;
  readonly #parse: ((value: unknown, lineNumber: number) => T) | undefined;
  readonly #onInvalid: ((error: InvalidLineError) => unknown) | undefined;
  readonly #decoder = new TextDecoder("utf-8", {
    fatal: true,
    ignoreBOM: true,
  });
  #chunk: Uint8Array = new Uint8Array();
  /** How much of the chunk has been taken. */
  #offset = 0;
  /** The line that is being read, as far as it was in earlier chunks. */
  readonly #begun = new ByteBuffer();
  #lineNumber = 1;
  /** The rest of a line that is too long is passed over. */
  #skipping = false;
  #ended = false;
  /** The call of `next` before this one: values come in order, whoever waits for them. */
  #previous: Promise<unknown> = Promise.resolve();

  constructor(source: Source<Uint8Array>, options: ReadJsonLinesOptions<T>) {
    const { maxLineBytes = 64 * 1024 * 1024, parse, onInvalid } = options;
    if (!Number.isSafeInteger(maxLineBytes) || maxLineBytes < 1) {
      throw new RangeError(
        `Cannot read JSON Lines: maxLineBytes must be an integer of at least 1, got ${maxLineBytes}`,
      );
    }
    this.#source = new SourceReader(source);
    this.#maxLineBytes = maxLineBytes;
    this.#parse = parse;
    this.#onInvalid = onInvalid;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<JsonLine<T>, undefined>> {
    const result = this.#previous.then(() => this.#next());
    this.#previous = result.catch(() => {});
    return result;
  }

  async return(): Promise<IteratorResult<JsonLine<T>, undefined>> {
    this.#ended = true;
    await this.#source.cancel();
    return { done: true, value: undefined };
  }

  /** Reads to the end. Unlike calls of `next` this makes no promise for each line, and so hardly any garbage. */
  async count(): Promise<number> {
    let count = 0;
    await this.#find(() => {
      count++;
      return false;
    });
    return count;
  }

  async #next(): Promise<IteratorResult<JsonLine<T>, undefined>> {
    const line = await this.#find(() => true);
    return line ? { done: false, value: line } : { done: true, value: undefined };
  }

  /** Reads to a line that holds a value and is wanted; `undefined` when there is none. */
  async #find(isWanted: (line: JsonLine<T>) => boolean): Promise<JsonLine<T> | undefined> {
    try {
      while (!this.#ended) {
        try {
          const line = this.#offset < this.#chunk.length ? this.#takeLine() : await this.#readOn();
          if (line && isWanted(line)) return line;
        } catch (error) {
          if (!this.#onInvalid || !(error instanceof InvalidLineError)) throw error;
          await this.#onInvalid(error);
        }
      }
      return undefined;
    } catch (error) {
      this.#ended = true;
      // The first error is the one to report: a source that has failed may refuse to be canceled.
      await this.#source.cancel().catch(() => {});
      throw error;
    }
  }

  async #readOn(): Promise<JsonLine<T> | undefined> {
    const { done, value } = await this.#source.next();
    if (!done) {
      this.#chunk = value;
      this.#offset = 0;
      return undefined;
    }
    this.#ended = true;
    return this.#finishLine(new Uint8Array(), "; the input ends here, without a newline: was it cut off?");
  }

  /** Takes the chunk up to the next newline, and gives the value of the line when it is complete and holds one. */
  #takeLine(): JsonLine<T> | undefined {
    const newline = this.#chunk.indexOf(LF, this.#offset);
    const end = newline === -1 ? this.#chunk.length : newline;
    const piece = this.#chunk.subarray(this.#offset, end);
    if (!this.#skipping && this.#begun.length + piece.length > this.#maxLineBytes) {
      this.#skipping = true;
      this.#begun.take();
      // Said at once, not at the end of the line, which may never come.
      throw new InvalidLineError(
        this.#lineNumber,
        `Cannot read the line: it is longer than the limit of ${this.#maxLineBytes} bytes`,
      );
    }
    this.#offset = end + 1;
    if (newline !== -1) return this.#finishLine(piece);
    if (!this.#skipping) this.#begun.append(piece);
    return undefined;
  }

  #finishLine(end: Uint8Array, hint = ""): JsonLine<T> | undefined {
    const lineNumber = this.#lineNumber++;
    if (this.#skipping) {
      this.#skipping = false;
      return undefined;
    }
    if (this.#begun.length === 0) return this.#parseLine(lineNumber, end, hint);
    this.#begun.append(end);
    return this.#parseLine(lineNumber, this.#begun.take(), hint);
  }

  #parseLine(lineNumber: number, bytes: Uint8Array, hint: string): JsonLine<T> | undefined {
    let expected = "UTF-8";
    try {
      const decoded = this.#decoder.decode(bytes);
      const text = lineNumber === 1 && decoded.startsWith("\ufeff") ? decoded.slice(1) : decoded;
      if (BLANK.test(text)) return undefined;
      expected = "JSON";
      const value = JSON.parse(text);
      expected = "record";
      return {
        lineNumber,
        value: this.#parse ? this.#parse(value, lineNumber) : value,
      };
    } catch (cause) {
      const reason = printable((cause as Error).message);
      const problem = expected === "record"
        ? reason
        : `Cannot read the line: it is not valid ${expected}${expected === "JSON" ? ` (${reason})` : ""}${hint}`;
      throw new InvalidLineError(lineNumber, problem, { cause });
    }
  }
}
