import { unlink } from "node:fs/promises";
import { ByteBuffer } from "../system/byte_buffer.ts";
import { systemReason } from "../system/system_error.ts";
import { writeAll } from "../system/write_all.ts";
import type { OutputReader } from "../spawn_adapters/types.ts";
import type { SpillFile } from "./spill_directory.ts";
import { encodeOutput, lazyOutput } from "../pool/encode_output.ts";
import type { Output } from "../pool/executor.ts";

/** Removes an incomplete UTF-8 character from the end, so that truncated text stays valid. */
export function withoutPartialCharacter(bytes: Uint8Array): Uint8Array {
  const longest = Math.min(3, bytes.length);
  for (let back = 1; back <= longest; back++) {
    const byte = bytes[bytes.length - back]!;
    const isContinuation = (byte & 0b1100_0000) === 0b1000_0000;
    if (isContinuation) continue;
    const characterBytes = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return characterBytes > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

/** The size from which on it pays to decode an output only when its text is read. */
export const MIN_LAZY_BYTES: number = 16 * 1024;

/** Options for capturing an output stream. */
export interface CaptureOptions {
  /** The number of bytes for the result. */
  maxInlineBytes: number;
  /** The number of bytes to keep, in the result or in a file. */
  maxOutputBytes: number;
  /** Creates the file for output that is too large for the result. */
  createFile: () => Promise<SpillFile>;
  /**
   * True to decode large outputs only when their texts are read.
   *
   * @default {false}
   */
  isLazy?: boolean | undefined;
  /** Called when the output exceeds `maxOutputBytes`. */
  onLimit: () => void;
  /** Called with a copy of each kept chunk. Must not throw. The stream is not read before a returned promise settles. */
  onOutput?: ((bytes: Uint8Array) => Promise<void> | undefined) | undefined;
}

/**
 * Captures an output stream of a process: small output in memory, larger output in a file. Memory holds only the part for
 * the result and one chunk. Reads to the end even after an error, because a process with a full pipe would hang.
 */
export class CapturedOutput {
  /** Settles when the stream has ended or {@linkcode stop} was called. Never rejects. */
  readonly done: Promise<void>;
  /** The number of bytes read so far. */
  bytes = 0;
  /** True while waiting for output, false while writing output to the file. */
  waiting = false;
  readonly #reader: OutputReader;
  readonly #options: CaptureOptions;
  readonly #inline = new ByteBuffer();
  #file: SpillFile | undefined;
  #fileError: string | undefined;

  constructor(reader: OutputReader, options: CaptureOptions) {
    this.#reader = reader;
    this.#options = options;
    this.done = this.#readAll();
  }

  /** The reason for missing output, as one sentence; `undefined` when all of it was kept. */
  get error(): string | undefined {
    return this.#fileError ?? (this.#isTruncated ? outputTruncated(this.#options.maxOutputBytes) : undefined);
  }

  get #isTruncated(): boolean {
    return this.bytes > this.#options.maxOutputBytes;
  }

  get #keptBytes(): number {
    return Math.min(this.bytes, this.#options.maxOutputBytes);
  }

  /** Stops reading. */
  stop(): void {
    this.#reader.cancel();
  }

  /** Returns the captured output. Must be called once, after {@linkcode done} has settled. */
  async finish(): Promise<Output> {
    const inline = this.#inline.take();
    const bytes = this.#keptBytes;
    const isAll = bytes <= this.#options.maxInlineBytes;
    const isLazy = this.#options.isLazy && inline.length >= MIN_LAZY_BYTES;
    const encode = isLazy ? lazyOutput : encodeOutput;
    const output = encode(isAll && !this.#isTruncated ? inline : withoutPartialCharacter(inline));
    if (isAll) return output;
    output.bytes = bytes;
    await this.#file?.handle.close().catch((error) => this.#fail(error));
    if (this.#file && this.#fileError === undefined) return Object.assign(output, { file: this.#file.path });
    // An incomplete file would look complete, and may have filled the disk.
    if (this.#file) await unlink(this.#file.path).catch(() => {});
    return output;
  }

  async #readAll(): Promise<void> {
    for (;;) {
      this.waiting = true;
      const chunk = await this.#reader.read();
      this.waiting = false;
      if (chunk === undefined) return;
      const { maxOutputBytes, onLimit, onOutput } = this.#options;
      const [wasTruncated, roomBytes] = [this.#isTruncated, maxOutputBytes - this.#keptBytes];
      this.bytes += chunk.length;
      if (this.#isTruncated && !wasTruncated) onLimit();
      const kept = chunk.subarray(0, roomBytes);
      const pause = onOutput?.(kept.slice()); // the reader reuses its buffer
      await this.#keep(kept);
      await pause;
    }
  }

  async #keep(chunk: Uint8Array): Promise<void> {
    const { maxInlineBytes, createFile } = this.#options;
    const inline = chunk.subarray(0, maxInlineBytes - this.#inline.length);
    this.#inline.append(inline);
    if (this.#keptBytes <= maxInlineBytes || this.#fileError !== undefined) return;
    try {
      if (this.#file) return await writeAll(this.#file.handle, chunk);
      this.#file = await createFile();
      await writeAll(this.#file.handle, this.#inline.view());
      await writeAll(this.#file.handle, chunk.subarray(inline.length));
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#fileError ??= outputLost(systemReason(error));
  }
}

/** Returns the error for output that could not be kept. */
export function outputLost(reason: string): string {
  return `Cannot keep all of the output: ${reason}`;
}

/** Returns the error for output that exceeds its limit. */
export function outputTruncated(maxOutputBytes: number): string {
  return `Output was truncated to its first ${maxOutputBytes} bytes`;
}

/** Deletes the files of outputs that no result will refer to. */
export async function discardOutput(...outputs: Output[]): Promise<void> {
  for (const { file } of outputs) {
    if (file !== undefined) await unlink(file).catch(() => {});
  }
}
