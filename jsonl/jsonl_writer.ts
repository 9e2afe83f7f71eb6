import { excerpt, printableJson } from "../text/excerpt.ts";

const MAX_BUFFERED = 1024 * 1024;

/** Where a {@linkcode JsonLinesWriter} writes to. */
export interface ByteSink {
  /** Writes all of the bytes. The writer calls it again only when the call before it is done. */
  write(bytes: Uint8Array): void | Promise<void>;
}

/**
 * Writes values as JSON Lines, which can be shown on a terminal: what could steer one is escaped.
 *
 * Lines that come while a write is under way go into the next one together, so that a fast producer costs few writes,
 * and a slow one never waits for more lines.
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

  /** Makes a writer on a sink. */
  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /**
   * Adds a line. Settles at once, or when much is waiting to be written (1 Mi characters) after that was written.
   *
   * @throws `TypeError` when the value cannot be JSON.
   * @throws what the sink threw, for this line or for one before it; nothing is written any more then.
   */
  async write(value: unknown): Promise<void> {
    const json = printableJson(value);
    if (json === undefined) {
      throw new TypeError(`Cannot write a line: ${excerpt(value)} has no form in JSON`);
    }
    if (this.#failure) throw this.#failure.error;
    this.#buffered += json + "\n";
    this.#draining ??= this.#drain();
    if (this.#buffered.length >= MAX_BUFFERED) await this.flush();
  }

  /**
   * Waits until everything is written. More lines can follow.
   *
   * @throws what the sink threw.
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
