import { type FileHandle, mkdtemp, open, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type Source, SourceReader } from "../jsonl/source.ts";
import { systemReason } from "../system/system_error.ts";
import { TEMPORARY_PREFIX, temporaryDirectory } from "../system/temporary_directory.ts";
import { writeAll } from "../system/write_all.ts";
import type { Io } from "./io.ts";

/** Limit of the size of an input that is copied. */
const MAX_COPY_BYTES = 1024 ** 3;

const CHUNK_BYTES = 256 * 1024;

/** Returns streams whose standard input can be read twice: the first reader copies it to a file for the second. */
export function withInputCopy(io: Io): Io {
  const copy = new InputCopy(io.stdin);
  return { ...io, copiesInput: true, stdin: () => copy.open() };
}

/** An input that can be read twice: the first reader copies it to a file, which the second reads. */
export class InputCopy {
  readonly #openInput: () => Source<Uint8Array>;
  readonly #maxBytes: number;
  #file: FileHandle | undefined;

  /** @param maxBytes the limit of the size of the input. */
  constructor(openInput: () => Source<Uint8Array>, maxBytes: number = MAX_COPY_BYTES) {
    this.#openInput = openInput;
    this.#maxBytes = maxBytes;
  }

  /** Opens the input for a reader. The first reader must have read all of it before the second begins. */
  open(): AsyncGenerator<Uint8Array, void> {
    return this.#file ? this.#readCopy(this.#file) : this.#copyInput();
  }

  /** Each chunk is valid until the next one is requested. */
  async *#copyInput(): AsyncGenerator<Uint8Array, void> {
    const reader = new SourceReader(this.#openInput());
    try {
      const file = this.#file = await createNamelessFile().catch(explainFailure);
      for (let bytes = 0;;) {
        const { done, value } = await reader.next();
        if (done) return;
        bytes += value.length;
        if (bytes > this.#maxBytes) {
          const limit = `${this.#maxBytes / 1024 ** 3}G`;
          throw new Error(`it is larger than ${limit}, the limit of --total auto; give --total N, or a file`);
        }
        await writeAll(file, value).catch(explainFailure);
        yield value;
      }
    } finally {
      await reader.cancel();
    }
  }

  async *#readCopy(file: FileHandle): AsyncGenerator<Uint8Array, void> {
    const buffer = new Uint8Array(CHUNK_BYTES);
    try {
      for (let position = 0;;) {
        const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
        if (bytesRead === 0) return;
        position += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }
}

function explainFailure(error: unknown): never {
  const reason = `--total auto cannot copy it to ${temporaryDirectory()}: ${systemReason(error)}`;
  throw new Error(`${reason}; give --total N, or a file`, { cause: error });
}

/** Creates a temporary file that other users cannot read, and that is gone when this process ends in any way. */
async function createNamelessFile(): Promise<FileHandle> {
  const directory = await mkdtemp(join(temporaryDirectory(), `${TEMPORARY_PREFIX}-input-`));
  const path = join(directory, "input");
  try {
    return await open(path, "wx+", 0o600);
  } finally {
    await unlink(path).catch(() => {});
    await rmdir(directory);
  }
}
