import { closeSync, mkdtempSync, openSync, readSync, rmdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { TEMPORARY_PREFIX, temporaryDirectory } from "./temporary_directory.ts";
import { writeAllSync } from "./write_all.ts";

const CHUNK_BYTES = 256 * 1024;

/**
 * A temporary file without a name: other users cannot read it, and it is gone when this process ends in any way. The file
 * is a descriptor and not a `FileHandle`, which Bun refuses to collect before it is closed.
 */
export class UnnamedFile {
  readonly #descriptor: number;
  #isClosed = false;

  /** @throws the error of the system, as for a full or missing directory for temporary files. */
  constructor() {
    const directory = mkdtempSync(join(temporaryDirectory(), `${TEMPORARY_PREFIX}-copy-`));
    const path = join(directory, "copy");
    try {
      this.#descriptor = openSync(path, "wx+", 0o600);
      unlinkSync(path);
    } finally {
      rmdirSync(directory);
    }
  }

  /** Appends bytes. @throws the error of the system, as for a full disk. */
  write(bytes: Uint8Array): void {
    writeAllSync({ fd: this.#descriptor }, bytes);
  }

  /** Reads the file from its beginning. Each chunk is valid until the next one is requested. */
  async *chunks(): AsyncGenerator<Uint8Array, void> {
    const buffer = new Uint8Array(CHUNK_BYTES);
    for (let position = 0;;) {
      const bytesRead = readSync(this.#descriptor, buffer, 0, buffer.length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  /** Closes the file, and thereby removes it. Does nothing the second time. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#descriptor);
  }
}
