import { excerpt, printable, printableJson } from "../text/excerpt.ts";
import { JsonEscaper, MAX_ESCAPED_BYTES } from "../text/json_escape.ts";
import { encodeBase64, LazyText } from "../text/lazy_text.ts";
import { LongText, type Piece, piecesOf } from "./line_pieces.ts";

const MAX_BUFFERED = 1024 * 1024;
/** The size of the buffer for lines with long texts where there is no escaper. */
const BUFFER_BYTES = 256 * 1024;
/** The number of bytes that are encoded as base64 at a time: a multiple of three, which needs no padding. */
const BASE64_CHUNK_BYTES = 48 * 1024;

/** The destination of a {@linkcode JsonLinesWriter}. */
export interface ByteSink {
  /**
   * Writes all of the bytes, which are valid until the call has settled. The writer never calls it again before. A long line
   * comes in several calls, and no other line shares a call with a part of such a line.
   */
  write(bytes: Uint8Array): void | Promise<void>;
  /**
   * Called before a write. The writer waits for the promise, and then also writes the lines that were added meanwhile.
   *
   * @default no wait
   */
  ready?(): Promise<void> | undefined;
}

let addLine: (writer: JsonLinesWriter, value: unknown) => Promise<void> | undefined;

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
  /** Lines that wait: several short lines as text, or the pieces of one line. */
  #queue: (string | Piece[])[] = [];
  /** The number of characters in the queue. */
  #buffered = 0;
  /** The buffer for a line with long texts, created for the first one. */
  #line: LineBuffer | undefined;
  #draining: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;

  static {
    addLine = (writer, value) => writer.#add(value);
  }

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
    const wait = this.#add(value);
    if (wait) await wait;
  }

  /** Returns a promise only when 1 Mi characters or more are buffered. */
  #add(value: unknown): Promise<void> | undefined {
    const pieces = piecesOf(value);
    const json = pieces ? undefined : printableJson(value);
    if (pieces === undefined && json === undefined) {
      throw new TypeError(`Cannot write a line: JSON cannot represent ${excerpt(value)}`);
    }
    if (this.#failure) throw this.#failure.error;
    if (pieces) this.#addPieces(pieces);
    else this.#addLine(json + "\n");
    this.#draining ??= this.#drain();
    return this.#buffered >= MAX_BUFFERED ? this.flush() : undefined;
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

  #addLine(line: string): void {
    const last = this.#queue.length - 1;
    if (typeof this.#queue[last] === "string") this.#queue[last] += line;
    else this.#queue.push(line);
    this.#buffered += line.length;
  }

  #addPieces(pieces: Piece[]): void {
    this.#queue.push([...pieces, "\n"]);
    for (const piece of pieces) {
      this.#buffered += lengthOf(piece);
      if (piece instanceof LazyText) piece.hold();
    }
  }

  async #drain(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const ready = this.#sink.ready?.();
        if (ready) await ready;
        const queue = this.#queue;
        this.#queue = [];
        this.#buffered = 0;
        for (const lines of queue) {
          if (typeof lines === "string") await this.#sink.write(this.#encoder.encode(lines));
          else await (this.#line ??= new LineBuffer(this.#sink)).write(lines);
        }
      }
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.#draining = undefined;
    }
  }
}

/**
 * Does the same as {@linkcode JsonLinesWriter.write}, without a promise when there is nothing to wait for.
 *
 * @throws (or rejects with) what `write` rejects with.
 */
export function addJsonLine(writer: JsonLinesWriter, value: unknown): Promise<void> | undefined {
  return addLine(writer, value);
}

/** Returns the approximate length of a piece in characters. */
function lengthOf(piece: Piece): number {
  if (typeof piece === "string") return piece.length;
  return piece instanceof LazyText ? piece.bytes.length : piece.text.length;
}

/** Writes lines with long texts, in parts that fit into a buffer. */
class LineBuffer {
  readonly #sink: ByteSink;
  readonly #encoder = new TextEncoder();
  readonly #escaper = JsonEscaper.create();
  readonly #bytes = this.#escaper?.target ?? new Uint8Array(BUFFER_BYTES);
  #end = 0;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** Writes a line. */
  async write(pieces: readonly Piece[]): Promise<void> {
    for (const piece of pieces) {
      if (typeof piece === "string") await this.#add(piece);
      else if (piece instanceof LongText) await this.#addText(piece.text);
      else if (piece.encoding === "utf8") await this.#addUtf8(piece);
      else await this.#addBase64(piece.bytes);
      if (piece instanceof LazyText) piece.release();
    }
    await this.#flush();
  }

  async #add(text: string): Promise<void> {
    for (let rest = text; rest !== "";) {
      const { read, written } = this.#encoder.encodeInto(rest, this.#bytes.subarray(this.#end));
      this.#end += written;
      rest = rest.slice(read);
      if (rest !== "") await this.#flush();
    }
  }

  async #addText(text: string): Promise<void> {
    if (!this.#escaper) return await this.#add(printable(JSON.stringify(text)).slice(1, -1));
    for (let begin = 0; begin < text.length;) {
      if (!this.#hasRoom) await this.#flush();
      ({ next: begin, end: this.#end } = this.#escaper.escapeText(text, begin, this.#end));
    }
  }

  async #addUtf8(text: LazyText): Promise<void> {
    if (!this.#escaper) return await this.#addText(text.toString());
    const { bytes } = text;
    for (let begin = 0; begin < bytes.length;) {
      if (!this.#hasRoom) await this.#flush();
      ({ next: begin, end: this.#end } = this.#escaper.escapeUtf8(bytes, begin, this.#end));
    }
  }

  async #addBase64(bytes: Uint8Array): Promise<void> {
    for (let begin = 0; begin < bytes.length; begin += BASE64_CHUNK_BYTES) {
      await this.#add(encodeBase64(bytes.subarray(begin, begin + BASE64_CHUNK_BYTES)));
    }
  }

  /** True when the next part of an escaped text fits into the buffer. */
  get #hasRoom(): boolean {
    return this.#bytes.length - this.#end >= MAX_ESCAPED_BYTES;
  }

  async #flush(): Promise<void> {
    const bytes = this.#bytes.subarray(0, this.#end);
    this.#end = 0;
    if (bytes.length > 0) await this.#sink.write(bytes);
  }
}
