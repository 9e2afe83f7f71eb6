import type { ByteSink } from "../../jsonl/mod.ts";
import { concatenate } from "../../text/concatenate.ts";
import { LazyText } from "../../text/lazy_text.ts";

/** The number of characters and bytes in the queue from which on callers have to wait. */
const MAX_QUEUED = 1024 * 1024;

/** A standard stream for output. */
export type StreamName = "stdout" | "stderr";

/** The sinks of the standard streams. */
export type StandardSinks = Readonly<Record<StreamName, ByteSink>>;

interface Piece {
  readonly stream: StreamName;
  data: string | Uint8Array | LazyText;
}

/**
 * Writes to standard output and standard error in one order, because both may be the same terminal, pipe or file. Pieces
 * that arrive during a write are written together next.
 */
export class OrderedOutput {
  readonly #sinks: StandardSinks;
  readonly #encoder = new TextEncoder();
  #queue: Piece[] = [];
  #queued = 0;
  #draining: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;

  constructor(sinks: StandardSinks) {
    this.#sinks = sinks;
  }

  /**
   * Queues text, or bytes that must stay valid. Holds a lazy text until it is written. Returns a promise when the
   * caller has to wait before the next piece.
   *
   * @throws the error of a sink, for this or an earlier piece. Nothing is written after such an error.
   */
  write(stream: StreamName, data: string | Uint8Array | LazyText): Promise<void> | undefined {
    if (this.#failure) throw this.#failure.error;
    const { length } = data instanceof LazyText ? data.bytes : data;
    if (length > 0) {
      if (data instanceof LazyText) data.hold();
      const last = this.#queue.at(-1);
      if (last?.stream === stream && typeof last.data === "string" && typeof data === "string") last.data += data;
      else this.#queue.push({ stream, data });
      this.#queued += length;
      this.#draining ??= this.#drain();
    }
    return this.#queued >= MAX_QUEUED ? this.flush() : undefined;
  }

  /**
   * Waits until everything is written.
   *
   * @throws the error of a sink.
   */
  async flush(): Promise<void> {
    await this.#draining;
    if (this.#failure) throw this.#failure.error;
  }

  async #drain(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const queue = this.#queue;
        this.#queue = [];
        this.#queued = 0;
        for (let begin = 0; begin < queue.length;) {
          const { stream } = queue[begin]!;
          const other = queue.findIndex((piece, index) => index > begin && piece.stream !== stream);
          const end = other === -1 ? queue.length : other;
          const pieces = queue.slice(begin, end);
          await this.#sinks[stream].write(this.#bytesOf(pieces));
          for (const { data } of pieces) if (data instanceof LazyText) data.release();
          begin = end;
        }
      }
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.#draining = undefined;
    }
  }

  #bytesOf(pieces: readonly Piece[]): Uint8Array {
    const parts = pieces.map(({ data }) => {
      if (typeof data === "string") return this.#encoder.encode(data);
      return data instanceof LazyText ? data.bytes : data;
    });
    return parts.length === 1 ? parts[0]! : concatenate(parts);
  }
}
