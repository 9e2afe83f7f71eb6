import { Buffer } from "node:buffer";
import { type FileHandle, mkdtemp, open, rmdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Source } from "../../jsonl/source.ts";
import { SourceReader } from "../../jsonl/source.ts";
import { readChunks } from "../../system/read_chunks.ts";
import { readSpecialFile } from "../../system/special_file.ts";
import { TEMPORARY_PREFIX, temporaryDirectory } from "../../system/temporary_directory.ts";
import { writeAll } from "../../system/write_all.ts";
import { pluralize } from "../../text/format.ts";
import { findResultsEnd } from "../../results/results_end.ts";
import type { Io } from "../io.ts";

const CHUNK_BYTES = 256 * 1024;

/** Results that can be read several times. */
export interface RepeatableResults {
  /** Opens the results. Returns the same bytes each time. */
  open(): Source<Uint8Array>;
  close(): Promise<void>;
}

/**
 * Opens a results file for several readings; `-` is standard input. Copies what is not a regular file to a temporary file
 * without a name. Skips an incomplete last line, as a run in progress may leave one, with a message.
 */
export async function openRepeatable(path: string, io: Io): Promise<RepeatableResults> {
  if (path === "-") return await copyOf(io.stdin());
  const status = await stat(path);
  if (status.isDirectory()) throw new Error("it is a directory, not a results file");
  if (!status.isFile()) return await copyOf(readSpecialFile(path, io.signal));
  const { wholeBytes, tornBytes } = await findResultsEnd(path);
  if (tornBytes > 0) {
    await io.stderr(`taskrunner: ${path}: skipped an incomplete last line of ${pluralize(tornBytes, "byte")}`);
  }
  return { open: () => readChunks(path, wholeBytes), close: () => Promise.resolve() };
}

async function copyOf(source: Source<Uint8Array>): Promise<RepeatableResults> {
  const file = await openUnnamed();
  try {
    const reader = new SourceReader(source);
    for (let next = await reader.next(); !next.done; next = await reader.next()) await writeAll(file, next.value);
  } catch (error) {
    await file.close();
    throw error;
  }
  return { open: () => chunksOf(file), close: () => file.close() };
}

/** Opens a temporary file and removes its name, so that no end of the program leaves it behind. */
async function openUnnamed(): Promise<FileHandle> {
  const directory = await mkdtemp(join(temporaryDirectory(), `${TEMPORARY_PREFIX}-results-`));
  const path = join(directory, "results.jsonl");
  try {
    const file = await open(path, "wx+", 0o600);
    await unlink(path);
    return file;
  } finally {
    await rmdir(directory);
  }
}

async function* chunksOf(file: FileHandle): AsyncGenerator<Uint8Array, void> {
  const buffer = Buffer.alloc(CHUNK_BYTES);
  for (let position = 0;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
