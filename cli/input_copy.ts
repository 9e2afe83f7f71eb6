import { closeSync, mkdtempSync, openSync, readSync, rmdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { type Source, SourceReader } from "../jsonl/source.ts";
import { systemReason } from "../system/system_error.ts";
import { TEMPORARY_PREFIX, temporaryDirectory } from "../system/temporary_directory.ts";
import { writeAllSync } from "../system/write_all.ts";
import type { Io } from "./io.ts";

/** Limit of the size of an input that is copied. */
const MAX_COPY_BYTES = 1024 ** 3;

const CHUNK_BYTES = 256 * 1024;

/** Returns streams whose standard input can be read twice: the first reader copies it to a file for the second. */
export function withInputCopy(io: Io): Io {
  const copy = new InputCopy(io.stdin);
  return { ...io, copiesInput: true, stdin: () => copy.open() };
}

/**
 * An input that can be read twice: the first reader copies it to a file, which the second reads. The file is a descriptor
 * and not a `FileHandle`, which Bun refuses to collect before it is closed: there may be no second reader.
 */
export class InputCopy {
  readonly #openInput: () => Source<Uint8Array>;
  readonly #maxBytes: number;
  #descriptor: number | undefined;

  /** @param maxBytes the limit of the size of the input. */
  constructor(openInput: () => Source<Uint8Array>, maxBytes: number = MAX_COPY_BYTES) {
    this.#openInput = openInput;
    this.#maxBytes = maxBytes;
  }

  /** Opens the input for a reader. The first reader must have read all of it before the second begins. */
  open(): AsyncGenerator<Uint8Array, void> {
    return this.#descriptor === undefined ? this.#copyInput() : this.#readCopy(this.#descriptor);
  }

  async *#copyInput(): AsyncGenerator<Uint8Array, void> {
    const reader = new SourceReader(this.#openInput());
    let isComplete = false;
    try {
      const descriptor = this.#descriptor = explainingFailure(createNamelessFile);
      for (let bytes = 0;;) {
        const { done, value } = await reader.next();
        if (done) break;
        bytes += value.length;
        if (bytes > this.#maxBytes) {
          const limit = `${this.#maxBytes / 1024 ** 3}G`;
          throw new Error(`it is larger than ${limit}, the limit of --total auto; give --total N, or a file`);
        }
        explainingFailure(() => writeAllSync({ fd: descriptor }, value));
        yield value;
      }
      isComplete = true;
    } finally {
      if (!isComplete && this.#descriptor !== undefined) closeSync(this.#descriptor);
      await reader.cancel();
    }
  }

  /** Each chunk is valid until the next one is requested. */
  async *#readCopy(descriptor: number): AsyncGenerator<Uint8Array, void> {
    const buffer = new Uint8Array(CHUNK_BYTES);
    try {
      for (let position = 0;;) {
        const bytesRead = readSync(descriptor, buffer, 0, buffer.length, position);
        if (bytesRead === 0) return;
        position += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      closeSync(descriptor);
    }
  }
}

function explainingFailure<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    const reason = `--total auto cannot copy it to ${temporaryDirectory()}: ${systemReason(error)}`;
    throw new Error(`${reason}; give --total N, or a file`, { cause: error });
  }
}

/** Creates a temporary file that other users cannot read, and that is gone when this process ends in any way. */
function createNamelessFile(): number {
  const directory = mkdtempSync(join(temporaryDirectory(), `${TEMPORARY_PREFIX}-input-`));
  const path = join(directory, "input");
  try {
    const descriptor = openSync(path, "wx+", 0o600);
    unlinkSync(path);
    return descriptor;
  } finally {
    rmdirSync(directory);
  }
}
