import { excerpt, printableJson } from "../text/excerpt.ts";

const MAX_BUFFERED = 1024 * 1024;

/** The destination of a {@linkcode JsonLinesWriter}. */
export interface ByteSink {
  /** Writes all of the bytes. The writer never calls it again before the previous call has settled. */
  write(bytes: Uint8Array): void | Promise<void>;
}

/**
 * Writes values as JSON Lines. Control characters are escaped, so the output is safe to show on a terminal.
 *
 * Lines added during a write are buffered and written together next, so a fast producer causes few writes and the line
 * of a slow one is written immediately.
 *
 * @example
 * ```ts
 * import { JsonLinesWriter } from "@x/taskrunner/jsonl";
 * import { assertEquals } from "@std/assert/equals";
 *
 * let text = "";
 * const writer = new JsonLinesWriter({ write: (bytes) => void (text += new TextDecoder().decode(bytes)) });
 * await writer.write({ id: "1" });
 * await writer.flush();
 * assertEquals(text, '{"id":"1"}\n');
 * ```
 */
export class JsonLinesWriter {
  readonly #sink: ByteSink;
  readonly #encoder = new TextEncoder();
  #buffered = "";
  #draining: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;

  /** Creates a writer that writes to `sink`. */
  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /**
   * Adds a line to the buffer. Resolves immediately, or, if 1 Mi characters or more are buffered, after they are
   * written.
   *
   * @throws `TypeError` when JSON cannot represent the value.
   * @throws the error of the sink, for this or an earlier line. After such an error the writer writes nothing more.
   */
  async write(value: unknown): Promise<void> {
    const json = printableJson(value);
    if (json === undefined) {
      throw new TypeError(`Cannot write a line: JSON cannot represent ${excerpt(value)}`);
    }
    if (this.#failure) throw this.#failure.error;
    this.#buffered += json + "\n";
    this.#draining ??= this.#drain();
    if (this.#buffered.length >= MAX_BUFFERED) await this.flush();
  }

  /**
   * Waits until all buffered lines are written. More lines can follow.
   *
   * @throws the error of the sink.
   */
  async flush(): Promise<void> {
    await this.#draining;
    if (this.#failure) throw this.#failure.error;
  }

  async #drain(): Promise<void> {
    try {
      while (this.#buffered !== "") {
        const bytes = this.#encoder.encode(this.#buffered);
        this.#buffered = "";
        await this.#sink.write(bytes);
      }
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.#draining = undefined;
    }
  }
}
