import { excerpt } from "../text/excerpt.ts";

/** A source of values: an array or other iterable, an async iterable such as a generator, or a stream. */
export type Source<T> = Iterable<T> | AsyncIterable<T> | ReadableStream<T>;

/** The name of the method of {@linkcode BufferedSource}: a symbol, which no object of a caller has by chance. */
export const takeBuffered: unique symbol = Symbol("takeBuffered");

/** A source that can yield some values without a promise, because it has them already. */
export interface BufferedSource<T> extends AsyncIterable<T> {
  /** Removes and returns the next value if the source has it; otherwise `undefined`. Never throws. */
  [takeBuffered](): T | undefined;
}

/** Reads a {@linkcode Source} value by value. Can be canceled at any time, even during a read. */
export class SourceReader<T> {
  readonly #next: () => IteratorResult<T> | Promise<IteratorResult<T>>;
  readonly #takeBuffered: (() => T | undefined) | undefined;
  readonly #cancel: () => Promise<unknown>;
  #reading = false;
  #ended = false;

  constructor(source: Source<T>) {
    if (typeof source !== "object" || source === null) throw notASource(source);
    if ("getReader" in source) {
      const reader = source.getReader();
      this.#next = () => reader.read() as Promise<IteratorResult<T>>;
      this.#cancel = () => reader.cancel();
      return;
    }
    if (Array.isArray(source) && source[Symbol.iterator] === Array.prototype[Symbol.iterator]) {
      let index = 0;
      this.#takeBuffered = () => {
        const value = source[index];
        if (value !== undefined) index++;
        return value;
      };
      this.#next = () =>
        index < source.length ? { done: false, value: source[index++] } : { done: true, value: undefined };
      this.#cancel = () => Promise.resolve();
      return;
    }
    if (takeBuffered in source) this.#takeBuffered = () => (source as BufferedSource<T>)[takeBuffered]();
    const isAsync = Symbol.asyncIterator in source;
    if (!isAsync && !(Symbol.iterator in source)) throw notASource(source);
    const iterator = isAsync ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    this.#next = () => iterator.next();
    this.#cancel = async () => {
      const returned = iterator.return?.();
      if (!this.#reading) return await returned;
      // A generator settles return() only after the pending next(), which may never settle. A Node stream would keep
      // the program alive until then, so it is destroyed.
      Promise.resolve(returned).catch(() => {});
      if ("destroy" in source && typeof source.destroy === "function") source.destroy();
    };
  }

  /** Returns the next value. Must not be called again before it settles. */
  async next(): Promise<IteratorResult<T>> {
    this.#reading = true;
    try {
      const result = await this.#next();
      this.#ended = result.done === true;
      return result;
    } catch (error) {
      this.#ended = true;
      throw error;
    } finally {
      this.#reading = false;
    }
  }

  /** Removes and returns the next value if the source has it already; otherwise `undefined`. Never throws. */
  takeBuffered(): T | undefined {
    if (this.#reading || this.#ended) return undefined;
    try {
      return this.#takeBuffered?.();
    } catch {
      return undefined; // the next call of `next` throws the error
    }
  }

  /** Cancels the source, so that it can clean up. Does not wait for a pending read. */
  async cancel(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#cancel();
  }
}

function notASource(value: unknown): TypeError {
  return new TypeError(`Cannot read values: the source must be an iterable or a stream, got ${excerpt(value)}`);
}
