import { type Source, SourceReader } from "../jsonl/source.ts";
import type { RandomAccess } from "../system/random_access_file.ts";
import { systemReason } from "../system/system_error.ts";
import { temporaryDirectory } from "../system/temporary_directory.ts";
import { UnnamedFile } from "../system/unnamed_file.ts";
import type { Io } from "./io.ts";

/** Limit of the size of an input that is copied. */
const MAX_COPY_BYTES = 1024 ** 3;

/** Returns streams whose standard input can be read twice: the first reader copies it to a file for the second. */
export function withInputCopy(io: Io): Io {
  const copy = new InputCopy(io.stdin);
  return { ...io, copiesInput: true, stdin: () => copy.open(), keepStdin: () => copy.keep() };
}

/** An input that can be read twice: the first reader copies it to a file, which the second reads. */
export class InputCopy {
  readonly #openInput: () => Source<Uint8Array>;
  readonly #maxBytes: number;
  #copy: UnnamedFile | undefined;
  #isKept = false;

  /** @param maxBytes the limit of the size of the input. */
  constructor(openInput: () => Source<Uint8Array>, maxBytes: number = MAX_COPY_BYTES) {
    this.#openInput = openInput;
    this.#maxBytes = maxBytes;
  }

  /** Opens the input for a reader. The first reader must have read all of it before the second begins. */
  open(): AsyncGenerator<Uint8Array, void> {
    return this.#copy ? this.#readCopy(this.#copy) : this.#copyInput();
  }

  /** Returns the copy, which its second reader then leaves open. The first reader must have read all of the input. */
  keep(): RandomAccess {
    this.#isKept = true;
    return this.#copy!;
  }

  async *#copyInput(): AsyncGenerator<Uint8Array, void> {
    const reader = new SourceReader(this.#openInput());
    let isComplete = false;
    try {
      const copy = this.#copy = explainingFailure(() => new UnnamedFile());
      for (let bytes = 0;;) {
        const { done, value } = await reader.next();
        if (done) break;
        bytes += value.length;
        if (bytes > this.#maxBytes) {
          const limit = `${this.#maxBytes / 1024 ** 3}G`;
          throw new Error(`it is larger than ${limit}, the limit of --total auto; give --total N, or a file`);
        }
        explainingFailure(() => copy.write(value));
        yield value;
      }
      isComplete = true;
    } finally {
      if (!isComplete) this.#copy?.close();
      await reader.cancel();
    }
  }

  async *#readCopy(copy: UnnamedFile): AsyncGenerator<Uint8Array, void> {
    try {
      yield* copy.chunks();
    } finally {
      if (!this.#isKept) copy.close();
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
