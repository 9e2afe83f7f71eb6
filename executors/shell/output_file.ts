/** Takes the output of an attempt out of the files it was written to. @module */

import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  read,
  readSync,
  type Stats,
  unlinkSync,
} from "node:fs";
import { type FileHandle, rename, unlink } from "node:fs/promises";
import { systemCode, systemReason } from "../../system/system_error.ts";
import { writeAll } from "../../system/write_all.ts";
import { type CaptureOptions, encodeOutput, outputLost, outputTruncated, withoutPartialCharacter } from "../output.ts";
import type { SpillFile } from "../spill_directory.ts";
import type { Output } from "../../pool/executor.ts";

/** Most output is far shorter, and is read at one go. */
const BUFFER_BYTES = 64 * 1024;
const buffer = new Uint8Array(BUFFER_BYTES);

/** A task can put anything where its output file was: a link is not followed, and a FIFO does not wait for a writer. */
const OPEN_FLAGS = constants.O_NONBLOCK | constants.O_NOFOLLOW;

/**
 * The errors for a file that is not there, or that nobody can get at because something else is where it, or its directory,
 * was: a link, a FIFO, a socket or a directory.
 */
const INACCESSIBLE: ReadonlySet<string | undefined> = new Set([
  "ENOENT",
  "ENOTDIR",
  "ELOOP",
  "EACCES",
  "ENXIO",
  "EISDIR",
  "ESPIPE",
]);
const REPLACED = "its file was replaced while the task ran";

/** An output that was taken, or why not all of it could be kept. */
export interface CollectedOutput {
  output: Output;
  error?: string;
}

/** Removes a file that may not be there. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was not made, or somebody else has removed it.
  }
}

/** Reads a file of at most 4 KiB; `undefined` when it is larger, no regular file, or cannot be got at. */
export function readSmallFile(path: string): string | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, constants.O_RDONLY | OPEN_FLAGS);
    if (!fstatSync(file).isFile()) return undefined;
    const bytes = readStart(new Uint8Array(4 * 1024 + 1), file);
    return bytes.length > 4 * 1024 ? undefined : new TextDecoder().decode(bytes);
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/**
 * Cuts a file off that has more than is kept of an output, and says whether it had. It keeps one byte more, by which
 * {@linkcode collectOutputFile} knows.
 */
export function truncateOutputFile(path: string, maxOutputBytes: number): boolean {
  let file: number | undefined;
  try {
    const found = lstatSync(path);
    if (!found.isFile() || found.size <= maxOutputBytes) return false;
    file = openSync(path, constants.O_WRONLY | OPEN_FLAGS);
    if (!isSoleLink(fstatSync(file), found)) return false;
    ftruncateSync(file, maxOutputBytes + 1);
    return true;
  } catch {
    return false; // it was not made yet, or was removed; whoever takes it will find out
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Returns whether an open file is the one found by its name, and has no other name by which it is somebody else's. */
function isSoleLink(open: Stats, found: Stats): boolean {
  return open.isFile() && open.nlink === 1 && open.ino === found.ino && open.dev === found.dev;
}

/**
 * Takes a file's content, and the file away.
 *
 * @returns `undefined` when it cannot be got at; a promise when it is too large for the result, and has to be moved.
 */
export function collectOutputFile(
  path: string,
  options: CaptureOptions,
): CollectedOutput | Promise<CollectedOutput> | undefined {
  const { maxInlineBytes, maxOutputBytes, createFile, onLimit } = options;
  let file: number | undefined;
  try {
    file = openSync(path, constants.O_RDONLY | OPEN_FLAGS);
    const first = readStart(buffer, file);
    if (first.length < BUFFER_BYTES && first.length <= Math.min(maxInlineBytes, maxOutputBytes)) {
      return { output: encodeOutput(first) };
    }
    const { size } = fstatSync(file);
    const isTruncated = size > maxOutputBytes;
    const bytes = isTruncated ? maxOutputBytes : size;
    if (isTruncated) onLimit();
    // Read once more from the beginning: a background process may write on, but what is here is here.
    const inline = readStart(new Uint8Array(Math.min(bytes, maxInlineBytes)), file);
    const isAll = bytes <= maxInlineBytes;
    const output = encodeOutput(isAll && !isTruncated ? inline : withoutPartialCharacter(inline));
    if (isAll) return { output, ...(isTruncated && { error: outputTruncated(bytes) }) };
    const moved = moveFile({ path, file, bytes, isTruncated }, output, createFile);
    file = undefined; // closed and removed by the other
    return moved;
  } catch (error) {
    if (INACCESSIBLE.has(systemCode(error))) return undefined;
    return { output: { text: "" }, error: outputLost(systemReason(error)) };
  } finally {
    if (file !== undefined) {
      closeSync(file);
      removeFile(path);
    }
  }
}

/** As many of the bytes, from the beginning of the file, as are there. */
function readStart(bytes: Uint8Array, file: number): Uint8Array {
  return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, 0));
}

/** An open output file that is too large for the result. */
interface LargeFile {
  path: string;
  file: number;
  /** The number of bytes that are kept. */
  bytes: number;
  /** True when the file has more than that. */
  isTruncated: boolean;
}

async function moveFile(
  { path, file, bytes, isTruncated }: LargeFile,
  inline: Output,
  createFile: () => Promise<SpillFile>,
): Promise<CollectedOutput> {
  let target: SpillFile | undefined;
  try {
    target = await createFile();
    try {
      // One that was cut is copied: what still prints into it must not make it longer again.
      if (!isTruncated && await moveOpenFile(path, file, target.path)) {
        return { output: { ...inline, bytes: fstatSync(file).size, file: target.path } };
      }
      const copiedBytes = await copyInto(target.handle, file, isTruncated ? bytes : Infinity);
      const output = { ...inline, bytes: copiedBytes, file: target.path };
      return { output, ...(isTruncated && { error: outputTruncated(copiedBytes) }) };
    } finally {
      await target.handle.close();
    }
  } catch (error) {
    // A part of it in a file would look like all of it, and what fills a full disk should go.
    if (target) await unlink(target.path).catch(() => {});
    return { output: { ...inline, bytes }, error: outputLost(systemReason(error)) };
  } finally {
    closeSync(file);
    removeFile(path);
  }
}

/** Copies an open file into another: its name could be that of a link by now. */
async function copyInto(target: FileHandle, file: number, maxBytes: number): Promise<number> {
  const piece = new Uint8Array(1024 * 1024);
  let copiedBytes = 0;
  while (copiedBytes < maxBytes) {
    const length = await readAt(file, piece.subarray(0, Math.min(piece.length, maxBytes - copiedBytes)), copiedBytes);
    if (length === 0) break;
    await writeAll(target, piece.subarray(0, length));
    copiedBytes += length;
  }
  return copiedBytes;
}

function readAt(file: number, bytes: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(file, bytes, 0, bytes.length, position, (error, length) => error ? reject(error) : resolve(length));
  });
}

/** Renames an open file, unless the new name is on another disk, or the file has other names by which it is wanted. */
async function moveOpenFile(path: string, file: number, newPath: string): Promise<boolean> {
  if (!isSoleLink(fstatSync(file), lstatSync(path))) return false;
  fchmodSync(file, 0o600);
  try {
    await rename(path, newPath);
  } catch (error) {
    if (systemCode(error) !== "EXDEV") throw error;
    return false;
  }
  if (!isSoleLink(fstatSync(file), lstatSync(newPath))) throw new Error(REPLACED); // in the moment before
  return true;
}
