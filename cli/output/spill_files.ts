/** The files with outputs that are too large for their results. @module */

import { rmdir, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { readChunks } from "../../system/read_chunks.ts";
import { systemReason } from "../../system/system_error.ts";
import { excerpt } from "../../text/excerpt.ts";
import type { TaskResult } from "../../records/result.ts";

type OutputFiles = Pick<TaskResult, "stdoutFile" | "stderrFile">;

/** Returns whether an output of a result is in a file. */
export function hasSpillFile({ stdoutFile, stderrFile }: OutputFiles): boolean {
  return stdoutFile !== undefined || stderrFile !== undefined;
}

/** Reads a spill file of this run. Each chunk is valid until the next one is requested. */
export async function* readSpillFile(path: string): AsyncGenerator<Uint8Array, void> {
  try {
    yield* readChunks(path);
  } catch (error) {
    throw new Error(`Cannot read the output in ${excerpt(path)}: ${systemReason(error)}`, { cause: error });
  }
}

/** Removes the spill files of results to which no record refers. */
export class SpillFileRemover {
  readonly #isTemporary: boolean;
  readonly #directories = new Set<string>();

  /** @param isTemporary whether to remove their directory as well, unless it has other files. */
  constructor(isTemporary: boolean) {
    this.#isTemporary = isTemporary;
  }

  /** Removes the files of a result. */
  async remove({ stdoutFile, stderrFile }: OutputFiles): Promise<void> {
    for (const path of [stdoutFile, stderrFile]) {
      if (path === undefined) continue;
      await unlink(path).catch(() => {});
      this.#directories.add(dirname(path));
    }
  }

  /** Removes the directory. Must be called after the run, which creates further files in the directory. */
  async close(): Promise<void> {
    if (this.#isTemporary) { for (const directory of this.#directories) await rmdir(directory).catch(() => {}); }
  }
}
