import { existsSync } from "node:fs";
import { type FileHandle, mkdir, mkdtemp, open, rmdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { TEMPORARY_PREFIX, temporaryDirectory } from "../system/temporary_directory.ts";
import { systemCode } from "../system/system_error.ts";
import type { Attempt } from "../pool/executor.ts";

/** The name of an output stream of a task. */
export type OutputStream = "stdout" | "stderr";

/** An open file for output that is too large for the result line. */
export interface SpillFile {
  path: string;
  handle: FileHandle;
}

/** The directory for output that is too large for a result. The first file creates it; the files are not deleted. */
export class SpillDirectory {
  readonly #requestedPath: string | undefined;
  readonly #prefix: string;
  #path: Promise<string> | undefined;

  /**
   * @param path The directory; by default, a new one in the system's directory for temporary files.
   * @param prefix The prefix for the name of a new directory.
   */
  constructor(path: string | undefined, prefix: string = TEMPORARY_PREFIX) {
    this.#requestedPath = path;
    this.#prefix = prefix;
  }

  /** Creates a file for an output of an attempt. Existing files, such as those of an earlier run, are never opened. */
  async create({ sequence, number }: Attempt, stream: OutputStream): Promise<SpillFile> {
    const directory = await (this.#path ??= this.#make().catch((error) => {
      this.#path = undefined; // so that the next file tries again
      throw error;
    }));
    const name = number === 1 ? `${sequence}` : `${sequence}.${number}`;
    for (let copy = 1;; copy++) {
      const path = join(directory, `${name}${copy === 1 ? "" : `-${copy}`}.${stream}`);
      try {
        return { path, handle: await open(path, "wx", 0o600) };
      } catch (error) {
        if (systemCode(error) !== "EEXIST") throw error;
      }
    }
  }

  /** Removes a directory that has no files, unless the caller chose it. */
  async close(): Promise<void> {
    if (this.#requestedPath !== undefined || !this.#path) return;
    await this.#path.then(rmdir).catch(() => {});
  }

  async #make(): Promise<string> {
    if (this.#requestedPath === undefined) {
      return await mkdtemp(join(temporaryDirectory(), `${this.#prefix}-output-`));
    }
    const path = resolve(this.#requestedPath);
    await makeDirectory(path);
    return path;
  }
}

/** Works like `mkdir -p`. The `recursive` option of Node's mkdir() never returns in /proc. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (systemCode(error) === "EEXIST") return;
    const parent = dirname(path);
    if (systemCode(error) !== "ENOENT" || existsSync(parent)) throw error;
    await makeDirectory(parent);
    await mkdir(path, { mode: 0o700 });
  }
}
