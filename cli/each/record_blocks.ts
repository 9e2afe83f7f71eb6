import { Buffer } from "node:buffer";
import { type Source, SourceReader } from "../../jsonl/source.ts";
import { ByteBuffer } from "../../system/byte_buffer.ts";

/** The division of bytes into blocks of whole records. */
export interface BlockFormat {
  /** The bytes at the end of a record; empty if only `recordStart` divides records. If both are empty, each byte is a record. */
  readonly recordEnd: Uint8Array;
  /** The bytes at the start of a record; empty if only `recordEnd` divides records. */
  readonly recordStart: Uint8Array;
  /** The size of a block: a number of records, or as many records as fit into a number of bytes, but at least one. */
  readonly size: { readonly records: number } | { readonly bytes: number };
  /** Set if every block gets the first line of the input as its first line. */
  readonly hasHeader: boolean;
}

/** Limit of the size of a block, which is held in memory. */
const MAX_BLOCK_BYTES = 1024 * 1024 * 1024;
const LF = 10;

/**
 * Cuts bytes into blocks of whole records. The same bytes give the same blocks, in whatever chunks they arrive. Holds about one
 * block in memory.
 *
 * @throws `RangeError` for a block of more than 1 GiB.
 */
export async function* recordBlocks(
  source: Source<Uint8Array>,
  format: BlockFormat,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const reader = new SourceReader(source);
  const cutter = new BlockCutter(format);
  const buffer = new ByteBuffer();
  let header: Uint8Array | undefined = format.hasHeader ? undefined : new Uint8Array();
  try {
    for (let isEnded = false; !isEnded;) {
      const { done, value } = await reader.next();
      isEnded = done === true;
      if (!isEnded) buffer.append(value!);
      if (!header) {
        const end = buffer.view().indexOf(LF) + 1;
        if (end === 0) continue; // without a line break, the input is only a header
        const bytes = buffer.take();
        header = bytes.slice(0, end);
        buffer.append(bytes.subarray(end));
      }
      let begin = 0;
      const bytes = buffer.view();
      for (;;) {
        const end = cutter.endOfBlock(bytes.subarray(begin), isEnded);
        if (end === 0) break;
        yield Uint8Array.from(Buffer.concat([header, bytes.subarray(begin, begin + end)]));
        begin += end;
      }
      if (begin > 0) buffer.append(buffer.take().subarray(begin));
      if (buffer.length > MAX_BLOCK_BYTES) {
        throw new RangeError("a block is larger than 1 GiB; set the end of records with --recend");
      }
    }
  } finally {
    await reader.cancel();
  }
}

/** Finds the ends of blocks. */
class BlockCutter {
  readonly #separator: Uint8Array;
  /** The part of the separator that belongs to the record before it. */
  readonly #endBytes: number;
  readonly #size: BlockFormat["size"];
  /** Number of bytes of the current block in which no record ends, or in which `#records` end. */
  #searched = 0;
  #records = 0;

  constructor({ recordEnd, recordStart, size }: BlockFormat) {
    this.#separator = new Uint8Array([...recordEnd, ...recordStart]);
    this.#endBytes = recordEnd.length;
    this.#size = size;
  }

  /** Returns the end of the first block in some bytes; 0 if that depends on bytes that have not arrived. */
  endOfBlock(bytes: Uint8Array, isEnded: boolean): number {
    const end = "records" in this.#size
      ? this.#endOfRecords(bytes, this.#size.records)
      : this.#endOfSize(bytes, this.#size.bytes, isEnded);
    const isRest = end === 0 && isEnded;
    if (end > 0 || isEnded) {
      this.#searched = 0;
      this.#records = 0;
    }
    return isRest ? bytes.length : end;
  }

  #endOfRecords(bytes: Uint8Array, count: number): number {
    for (;;) {
      const end = this.#nextEnd(bytes);
      if (end === 0) return 0;
      this.#searched = this.#endBytes === 0 ? end + 1 : end;
      if (++this.#records === count) return end;
    }
  }

  #endOfSize(bytes: Uint8Array, limit: number, isEnded: boolean): number {
    if (isEnded && bytes.length <= limit) return bytes.length;
    if (this.#separator.length === 0) return bytes.length < limit ? 0 : limit;
    if (this.#searched === 0) {
      // The start of the next record must be there as well.
      if (bytes.length < limit + this.#separator.length - this.#endBytes && !isEnded) return 0;
      const from = limit - this.#endBytes;
      const found = from < 0 ? -1 : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).lastIndexOf(
        this.#separator,
        from,
      );
      const end = found === -1 ? 0 : found + this.#endBytes;
      if (end > 0) return end;
      this.#searched = Math.max(0, limit - this.#separator.length + 1);
    }
    return this.#nextEnd(bytes);
  }

  /** Returns the end of the next record after the searched bytes; 0 if it has not arrived. */
  #nextEnd(bytes: Uint8Array): number {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    // The start of the first record is no end, so that the search begins after it.
    const from = Math.max(this.#searched, this.#endBytes === 0 ? 1 : 0);
    const found = view.indexOf(this.#separator, from);
    if (found !== -1) return found + this.#endBytes;
    this.#searched = Math.max(this.#searched, bytes.length - this.#separator.length + 1);
    return 0;
  }
}
