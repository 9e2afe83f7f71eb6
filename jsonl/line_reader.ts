/**
 * Lines of text out of bytes: bounded, numbered, and strictly UTF-8. What a line holds is for its user to say.
 *
 * @module
 */

import { ByteBuffer } from "../system/byte_buffer.ts";
import { printable } from "../text/excerpt.ts";
import { type Source, SourceReader } from "./source.ts";

/** How lines are read. */
export interface LineReaderOptions<T> {
  /** The byte that ends a line; the last one may lack it. */
  delimiter: number;
  /** The longest line in bytes, without its delimiter. */
  maxLineBytes: number;
  /** Makes a record of a line, or nothing of one that is passed over. What it throws makes the line invalid. */
  parse: (text: string, lineNumber: number, isUnfinished: boolean) => Line<T> | undefined;
  /**
   * Given the bytes of a complete line first. When it returns `true` the line is done with: no text is made of it, and no
   * record. The bytes are valid until it returns.
   */
  accept?: ((bytes: Uint8Array, begin: number, end: number, lineNumber: number) => boolean) | undefined;
  /** Is told about lines that are not valid. Without it the first of them ends the reading. */
  onInvalid?: ((error: InvalidLineError) => unknown) | undefined;
}

/** A line that held a record. */
export interface Line<T> {
  /** The number of the line in the input, from 1. */
  lineNumber: number;
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

/** What is said of a last line that is not right. */
export const UNFINISHED = "; the input ends here, without a newline: was it cut off?";

/** Reads lines, each as soon as it is complete. */
export class LineReader<T> implements AsyncIterableIterator<Line<T>> {
  readonly #source: SourceReader<Uint8Array>;
  readonly #options: LineReaderOptions<T>;
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

  constructor(source: Source<Uint8Array>, options: LineReaderOptions<T>) {
    this.#source = new SourceReader(source);
    this.#options = options;
  }

  [Symbol.asyncIterator](): this {
    return this;
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

  /** Reads to the end. Unlike calls of `next` this makes no promise for each line, and so hardly any garbage. */
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

  /** Reads to a line that holds a value and is wanted; `undefined` when there is none. */
  async #find(isWanted: (line: Line<T>) => boolean): Promise<Line<T> | undefined> {
    try {
      while (!this.#ended) {
        try {
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
      // The first error is the one to report: a source that has failed may refuse to be canceled.
      await this.#source.cancel().catch(() => {});
      throw error;
    }
  }

  async #readOn(): Promise<Line<T> | undefined> {
    const { done, value } = await this.#source.next();
    if (!done) {
      this.#chunk = value;
      this.#offset = 0;
      return undefined;
    }
    this.#ended = true;
    return this.#finishLine(new Uint8Array(), 0, 0, true);
  }

  /** Takes the chunk up to the next delimiter, and gives the value of the line when it is complete and holds one. */
  #takeLine(): Line<T> | undefined {
    const { delimiter, maxLineBytes } = this.#options;
    const found = this.#chunk.indexOf(delimiter, this.#offset);
    const end = found === -1 ? this.#chunk.length : found;
    const begin = this.#offset;
    if (!this.#skipping && this.#begun.length + end - begin > maxLineBytes) {
      this.#skipping = true;
      this.#begun.take();
      // Said at once, not at the end of the line, which may never come.
      throw new InvalidLineError(
        this.#lineNumber,
        `Cannot read the line: it is longer than the limit of ${maxLineBytes} bytes`,
      );
    }
    this.#offset = end + 1;
    if (found !== -1) return this.#finishLine(this.#chunk, begin, end, false);
    if (!this.#skipping) this.#begun.append(this.#chunk.subarray(begin, end));
    return undefined;
  }

  /** @param bytes what holds the end of the line, or all of it. */
  #finishLine(bytes: Uint8Array, begin: number, end: number, isUnfinished: boolean): Line<T> | undefined {
    const isThere = !isUnfinished || this.#begun.length > 0;
    const lineNumber = this.#lineNumber++;
    if (this.#skipping || !isThere) {
      this.#skipping = false;
      return undefined;
    }
    if (this.#begun.length > 0) {
      this.#begun.append(bytes.subarray(begin, end));
      bytes = this.#begun.take();
      [begin, end] = [0, bytes.length];
    }
    if (this.#options.accept?.(bytes, begin, end, lineNumber)) return undefined;
    return this.#parseLine(lineNumber, bytes.subarray(begin, end), isUnfinished);
  }

  #parseLine(lineNumber: number, bytes: Uint8Array, isUnfinished: boolean): Line<T> | undefined {
    let text: string;
    try {
      text = this.#decoder.decode(bytes);
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
