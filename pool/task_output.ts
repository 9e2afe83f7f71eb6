import type { Attempt } from "./executor.ts";

/** A piece of the output of a running task. */
export class TaskOutput {
  /** The id of the task, as in its result. */
  readonly id: string;
  /** The number of the attempt, from 1. */
  readonly attempt: number;
  /** The slot in which the attempt runs, from 1. */
  readonly slot: number;
  /** The stream to which the task wrote. */
  readonly stream: "stdout" | "stderr";
  /** The bytes as the task wrote them; a line includes its newline. The bytes stay valid. */
  readonly bytes: Uint8Array;
  /** True when the piece is a part of a long line and the rest of the line follows. False for chunks. */
  readonly continues: boolean;

  /** Creates a piece of output. */
  constructor({ id, number, slot }: Attempt, stream: "stdout" | "stderr", bytes: Uint8Array, continues = false) {
    this.id = id;
    this.attempt = number;
    this.slot = slot;
    this.stream = stream;
    this.bytes = bytes;
    this.continues = continues;
  }

  /** The bytes as text, without the newline at the end. Invalid UTF-8 becomes U+FFFD. */
  get text(): string {
    const { bytes } = this;
    return decoder.decode(bytes.at(-1) === NEWLINE ? bytes.subarray(0, -1) : bytes);
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const NEWLINE = 0x0a;

/** The longest line to deliver as a whole, in bytes. Longer lines are delivered in parts. */
export const MAX_LIVE_LINE_BYTES = 64 * 1024;

/** Splits the output of one stream into lines, or into batches of whole lines. */
export class LineSplitter {
  readonly #onLine: (line: Uint8Array, continues: boolean) => void;
  readonly #inBatches: boolean;
  /** An incomplete line. */
  #parts: Uint8Array[] = [];
  #partBytes = 0;

  /**
   * @param onLine Called with each line and its newline. `continues` is true when more of the line follows.
   * @param inBatches Delivers all whole lines of a chunk together.
   */
  constructor(onLine: (line: Uint8Array, continues: boolean) => void, inBatches = false) {
    this.#onLine = onLine;
    this.#inBatches = inBatches;
  }

  push(bytes: Uint8Array): void {
    if (this.#inBatches) return this.#pushBatch(bytes);
    let begin = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, begin)) {
      this.#add(bytes.subarray(begin, end + 1));
      this.flush();
      begin = end + 1;
    }
    this.#add(bytes.subarray(begin));
  }

  #pushBatch(bytes: Uint8Array): void {
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    if (end > 0) {
      this.#parts.push(bytes.subarray(0, end));
      this.#partBytes += end;
      this.#deliver(false);
    }
    this.#add(bytes.subarray(end));
  }

  /** Delivers the last line, if it has no newline. */
  flush(): void {
    if (this.#partBytes > 0) this.#deliver(false);
  }

  #deliver(continues: boolean): void {
    const [first] = this.#parts;
    const line = this.#parts.length === 1 ? first! : joined(this.#parts, this.#partBytes);
    this.#parts = [];
    this.#partBytes = 0;
    this.#onLine(line, continues);
  }

  #add(bytes: Uint8Array): void {
    for (let rest = bytes; rest.length > 0;) {
      if (this.#partBytes === MAX_LIVE_LINE_BYTES) this.#deliver(true); // only now is it clear that the line continues
      const part = rest.subarray(0, MAX_LIVE_LINE_BYTES - this.#partBytes);
      this.#parts.push(part);
      this.#partBytes += part.length;
      rest = rest.subarray(part.length);
    }
  }
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const all = new Uint8Array(bytes);
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}
