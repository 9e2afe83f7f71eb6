import type { LineReader } from "../jsonl/line_reader.ts";
import { type BufferedSource, takeBuffered } from "../jsonl/source.ts";
import type { Task } from "../records/task.ts";

/** Iterates over the tasks of lines, without those that are `undefined`. */
export class TaskLines implements AsyncIterableIterator<Task>, BufferedSource<Task> {
  readonly #open: () => Promise<LineReader<Task | undefined>>;
  readonly #explain: (error: unknown) => Error;
  #lines: LineReader<Task | undefined> | undefined;

  /**
   * @param open Opens the lines, at the first call of {@linkcode next}.
   * @param explain Returns the error to throw for an error of the lines.
   */
  constructor(open: () => Promise<LineReader<Task | undefined>>, explain: (error: unknown) => Error) {
    this.#open = open;
    this.#explain = explain;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [takeBuffered](): Task | undefined {
    for (;;) {
      const line = this.#lines?.takeCompleted();
      if (!line) return undefined;
      if (line.value) return line.value;
    }
  }

  async next(): Promise<IteratorResult<Task, undefined>> {
    this.#lines ??= await this.#open();
    try {
      for (;;) {
        const { done, value: line } = await this.#lines.next();
        if (done) return { done, value: undefined };
        if (line.value) return { done: false, value: line.value };
      }
    } catch (error) {
      throw this.#explain(error);
    }
  }

  async return(): Promise<IteratorResult<Task, undefined>> {
    await this.#lines?.return();
    return { done: true, value: undefined };
  }
}
