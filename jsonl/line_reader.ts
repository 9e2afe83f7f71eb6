/**
 * Splits bytes into numbered lines with a maximum length, by default of strict UTF-8. The caller parses the lines.
 *
 * @module
 */

import { ByteBuffer } from "../system/byte_buffer.ts";
import { printable } from "../text/excerpt.ts";
import { type Source, SourceReader } from "./source.ts";

/** Options of {@linkcode LineReader}. */
export interface LineReaderOptions<T> {
  /** The byte that ends a line; optional after the last line. */
  delimiter: number;
  /** Maximum length of a line in bytes, without its delimiter. */
  maxLineBytes: number;
  /** Parses a line; returns `undefined` to skip the line. If the function throws, the line is invalid. */
  parse: (text: string, lineNumber: number, isUnfinished: boolean) => Line<T> | undefined;
  /**
   * Called with the bytes of each complete line before decoding. A return value of `true` means that the callback has
   * consumed the line, which is then neither decoded nor parsed. The bytes are valid only during the call.
   */
  accept?: ((bytes: Uint8Array, begin: number, end: number, lineNumber: number) => boolean) | undefined;
  /**
   * Decodes a line. If the function throws, the line is reported as invalid UTF-8.
   *
   * @default strict UTF-8
   */
  decode?: ((bytes: Uint8Array) => string) | undefined;
  /** Called for each invalid line. Without it the first invalid line ends the iteration. */
  onInvalid?: ((error: InvalidLineError) => unknown) | undefined;
}

/** A line with its record. */
export interface Line<T> {
  /** Number of the line in the input, starting at 1. */
  lineNumber: number;
  value: T;
}

/** The error for an invalid line: not UTF-8, not JSON, too long, or rejected by `parse`. */
export class InvalidLineError extends SyntaxError {
  /** Number of the line in the input, starting at 1. */
  readonly lineNumber: number;
  /** The message without the line number. */
  readonly problem: string;

  /** Creates the error for a line. */
  constructor(lineNumber: number, problem: string, options?: ErrorOptions) {
    super(`Line ${lineNumber}: ${problem}`, options);
    this.name = "InvalidLineError";
    this.lineNumber = lineNumber;
    this.problem = problem;
  }
}

/** Hint in the error for an invalid last line. */
export const UNFINISHED = "; the input ends here, without a newline: was it cut off?";

/** Iterates over lines; yields each as soon as it is complete. */
export class LineReader<T> implements AsyncIterableIterator<Line<T>> {
  readonly #source: SourceReader<Uint8Array>;
  readonly #options: LineReaderOptions<T>;
  readonly #decode: (bytes: Uint8Array) => string;
  #chunk: Uint8Array = new Uint8Array();
  /** Number of bytes of the chunk that were consumed. */
  #offset = 0;
  /** Offsets in the input, in bytes: of the chunk, of the latest complete line, and of the line after it. */
  #chunkBegin = 0;
  #lineBegin = 0;
  #nextLineBegin = 0;
  /** The part of the current line that was in earlier chunks. */
  readonly #partial = new ByteBuffer();
  #lineNumber = 1;
  /** Set while skipping the rest of a line that is too long. */
  #skipping = false;
  #ended = false;
  /** The error of a line, for the next call of `next`. */
  #failure: { error: unknown } | undefined;
  /** The previous call of `next`, so that concurrent calls resolve in order. */
  #previous: Promise<unknown> = Promise.resolve();

  constructor(source: Source<Uint8Array>, options: LineReaderOptions<T>) {
    this.#source = new SourceReader(source);
    this.#options = options;
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    this.#decode = options.decode ?? ((bytes) => decoder.decode(bytes));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The offset in the input at which the latest complete line begins, in bytes; in `accept`, that of its line. */
  get lineBegin(): number {
    return this.#lineBegin;
  }

  /**
   * Removes and returns the next record if its line has been read; otherwise returns `undefined`. Must not be called
   * before a call of `next` has settled.
   */
  takeCompleted(): Line<T> | undefined {
    try {
      while (!this.#ended && !this.#failure && this.#offset < this.#chunk.length) {
        const line = this.#takeLine();
        if (line) return line;
      }
    } catch (error) {
      this.#failure = { error };
    }
    return undefined;
  }

  next(): Promise<IteratorResult<Line<T>, undefined>> {
    const result = this.#previous.then(() => this.#next());
    this.#previous = result.catch(() => {});
    return result;
  }

  async return(): Promise<IteratorResult<Line<T>, undefined>> {
    this.#ended = true;
    await this.#source.cancel();
    return { done: true, value: undefined };
  }

  /** Reads to the end and returns the number of records. Faster than `next`, which allocates a promise per line. */
  async count(): Promise<number> {
    let count = 0;
    await this.#find(() => {
      count++;
      return false;
    });
    return count;
  }

  async #next(): Promise<IteratorResult<Line<T>, undefined>> {
    const line = await this.#find(() => true);
    return line ? { done: false, value: line } : { done: true, value: undefined };
  }

  /** Reads up to the next record for which `isWanted` returns `true`; returns `undefined` at the end. */
  async #find(isWanted: (line: Line<T>) => boolean): Promise<Line<T> | undefined> {
    try {
      while (!this.#ended) {
        try {
          if (this.#failure) throw this.#takeFailure();
          const line = this.#offset < this.#chunk.length ? this.#takeLine() : await this.#readOn();
          if (line && isWanted(line)) return line;
        } catch (error) {
          const { onInvalid } = this.#options;
          if (!onInvalid || !(error instanceof InvalidLineError)) throw error;
          await onInvalid(error);
        }
      }
      return undefined;
    } catch (error) {
      this.#ended = true;
      // Canceling a source that has failed may fail as well; report the first error.
      await this.#source.cancel().catch(() => {});
      throw error;
    }
  }

  #takeFailure(): unknown {
    const { error } = this.#failure!;
    this.#failure = undefined;
    return error;
  }

  async #readOn(): Promise<Line<T> | undefined> {
    const { done, value } = await this.#source.next();
    if (!done) {
      this.#chunkBegin += this.#chunk.length;
      this.#chunk = value;
      this.#offset = 0;
      return undefined;
    }
    this.#ended = true;
    return this.#finishLine(new Uint8Array(), 0, 0, true);
  }

  /** Consumes the chunk up to the next delimiter; returns the record if that completes a line with one. */
  #takeLine(): Line<T> | undefined {
    const { delimiter, maxLineBytes } = this.#options;
    const found = this.#chunk.indexOf(delimiter, this.#offset);
    const end = found === -1 ? this.#chunk.length : found;
    const begin = this.#offset;
    if (!this.#skipping && this.#partial.length + end - begin > maxLineBytes) {
      this.#skipping = true;
      this.#partial.take();
      // Fail now, not at the end of the line, which may never arrive.
      throw new InvalidLineError(
        this.#lineNumber,
        `Cannot read the line: it is longer than the limit of ${maxLineBytes} bytes`,
      );
    }
    this.#offset = end + 1;
    if (found !== -1) return this.#finishLine(this.#chunk, begin, end, false);
    if (!this.#skipping) this.#partial.append(this.#chunk.subarray(begin, end));
    return undefined;
  }

  /** @param bytes Buffer that contains the end of the line or all of it. */
  #finishLine(bytes: Uint8Array, begin: number, end: number, isUnfinished: boolean): Line<T> | undefined {
    const exists = !isUnfinished || this.#partial.length > 0;
    const lineNumber = this.#lineNumber++;
    this.#lineBegin = this.#nextLineBegin;
    this.#nextLineBegin = this.#chunkBegin + this.#offset;
    if (this.#skipping || !exists) {
      this.#skipping = false;
      return undefined;
    }
    if (this.#partial.length > 0) {
      this.#partial.append(bytes.subarray(begin, end));
      bytes = this.#partial.take();
      [begin, end] = [0, bytes.length];
    }
    if (this.#options.accept?.(bytes, begin, end, lineNumber)) return undefined;
    return this.#parseLine(lineNumber, bytes.subarray(begin, end), isUnfinished);
  }

  #parseLine(lineNumber: number, bytes: Uint8Array, isUnfinished: boolean): Line<T> | undefined {
    let text: string;
    try {
      text = this.#decode(bytes);
    } catch (cause) {
      const hint = isUnfinished ? UNFINISHED : "";
      throw new InvalidLineError(lineNumber, `Cannot read the line: it is not valid UTF-8${hint}`, { cause });
    }
    try {
      return this.#options.parse(text, lineNumber, isUnfinished);
    } catch (cause) {
      throw new InvalidLineError(lineNumber, printable((cause as Error).message), { cause });
    }
  }
}
