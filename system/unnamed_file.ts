import { closeSync, mkdtempSync, openSync, rmdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { chunksOf, type RandomAccess, readAllAt } from "./random_access_file.ts";
import { TEMPORARY_PREFIX, temporaryDirectory } from "./temporary_directory.ts";
import { writeAllSync } from "./write_all.ts";

/**
 * A temporary file without a name: other users cannot read it, and it is gone when this process ends in any way. The file
 * is a descriptor and not a `FileHandle`, which Bun refuses to collect before it is closed.
 */
export class UnnamedFile implements RandomAccess {
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

  readAt(buffer: Uint8Array, offset: number): number {
    return readAllAt(this.#descriptor, buffer, offset);
  }

  /** Reads the file from its beginning. Each chunk is valid until the next one is requested. */
  chunks(): Generator<Uint8Array, void> {
    return chunksOf(this);
  }

  /** Closes the file, and thereby removes it. Does nothing the second time. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#descriptor);
  }
}
