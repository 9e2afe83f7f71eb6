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

/** Where output goes that is too large for the result line. Made when the first file needs it; the files stay. */
export class SpillDirectory {
  readonly #requestedPath: string | undefined;
  readonly #prefix: string;
  #path: Promise<string> | undefined;

  /**
   * @param path default: a new directory below the system's directory for temporary files.
   * @param prefix what the name of that begins with.
   */
  constructor(path: string | undefined, prefix: string = TEMPORARY_PREFIX) {
    this.#requestedPath = path;
    this.#prefix = prefix;
  }

  /** Makes a new file for an output of an attempt. One that is there already, perhaps from a run before, is never written to or followed. */
  async create({ sequence, number }: Attempt, stream: OutputStream): Promise<SpillFile> {
    const directory = await (this.#path ??= this.#make().catch((error) => {
      this.#path = undefined; // it may work the next time
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

  /** Removes the directory if it is empty and was not asked for by name. */
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

/** As `mkdir -p`. Node's own way to do that never ends where a directory is seen and none can be made, as in /proc. */
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
