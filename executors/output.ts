import { Buffer } from "node:buffer";
import { unlink } from "node:fs/promises";
import { ByteBuffer } from "../system/byte_buffer.ts";
import { systemReason } from "../system/system_error.ts";
import { writeAll } from "../system/write_all.ts";
import type { OutputReader } from "../spawn_adapters/types.ts";
import type { SpillFile } from "./spill_directory.ts";
import type { Output } from "../pool/executor.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes as they stand in a result: text when they are UTF-8, else base64. Nothing is lost either way. */
export function encodeOutput(bytes: Uint8Array): Output {
  try {
    return { text: utf8.decode(bytes) };
  } catch {
    return {
      text: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        .toString("base64"),
      encoding: "base64",
    };
  }
}

/** Leaves out a character at the end that is only partly there, so that text that was cut is still text. */
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

/** What is kept of an output stream, and where. */
export interface CaptureOptions {
  /** How much stands in the result. */
  maxInlineBytes: number;
  /** How much is kept, there or in a file. */
  maxOutputBytes: number;
  /** Makes the file for what is too large for the result. */
  createFile: () => Promise<SpillFile>;
  /** Is told when there is more than is kept. */
  onLimit: () => void;
  /** Called with a copy of each chunk that is kept. Must not throw. */
  onOutput?: ((bytes: Uint8Array) => void) | undefined;
}

/**
 * Reads one output stream of a process to its end: the first part into memory and, when that is not all, everything
 * that is kept into a file. It holds no more than the first part and one chunk, and reads on whatever happens, because a
 * process that nobody reads from would hang.
 */
export class CapturedOutput {
  /** Settles when the stream has ended or {@linkcode stop} was called. Never rejects. */
  readonly done: Promise<void>;
  /** How much has been read. */
  bytes = 0;
  /** Whether it is waiting for more to read, not busy writing what it has. */
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

  /** Why not everything was kept. */
  get error(): string | undefined {
    return this.#fileError ?? (this.#isTruncated ? outputTruncated(this.#options.maxOutputBytes) : undefined);
  }

  get #isTruncated(): boolean {
    return this.bytes > this.#options.maxOutputBytes;
  }

  get #keptBytes(): number {
    return Math.min(this.bytes, this.#options.maxOutputBytes);
  }

  /** Ends the reading with what has been read so far. */
  stop(): void {
    this.#reader.cancel();
  }

  /** What has been read. Call it once, when {@linkcode done} has settled. */
  async finish(): Promise<Output> {
    const inline = this.#inline.take();
    const bytes = this.#keptBytes;
    const isAll = bytes <= this.#options.maxInlineBytes;
    const first = encodeOutput(isAll && !this.#isTruncated ? inline : withoutPartialCharacter(inline));
    if (isAll) return first;
    const output = { ...first, bytes };
    await this.#file?.handle.close().catch((error) => this.#fail(error));
    if (this.#file && this.#fileError === undefined) return { ...output, file: this.#file.path };
    // A part of it in a file would look like all of it, and what fills a full disk should go.
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
      onOutput?.(kept.slice()); // the reader uses its memory again
      await this.#keep(kept);
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

/** What is said of output that could not be kept. */
export function outputLost(reason: string): string {
  return `Cannot keep all of the output: ${reason}`;
}

/** What is said of output that is larger than what is kept. */
export function outputTruncated(maxOutputBytes: number): string {
  return `Only the first ${maxOutputBytes} bytes of an output were kept`;
}

/** Removes the files of output that nobody will get to see. */
export async function discardOutput(...outputs: Output[]): Promise<void> {
  for (const { file } of outputs) {
    if (file !== undefined) await unlink(file).catch(() => {});
  }
}
