/** Collects the output of an attempt from its output files. @module */

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
import { BufferPool, createBuffer } from "../../system/buffer_pool.ts";
import { writeAll } from "../../system/write_all.ts";
import {
  type CaptureOptions,
  MIN_LAZY_BYTES,
  outputLost,
  outputTruncated,
  withoutPartialCharacter,
} from "../output.ts";
import type { SpillFile } from "../spill_directory.ts";
import { encodeOutput, lazyOutput } from "../../pool/encode_output.ts";
import type { Output } from "../../pool/executor.ts";

/** Most output fits and is read in one call. */
const FIRST_BYTES = 64 * 1024;
/** The default of the part of an output that a result contains. */
const KEPT_BYTES = 1024 * 1024;
/** The limit of the buffers that are kept for lazy outputs: one for each of 16 slots. */
const MAX_FREE_BYTES = 16 * KEPT_BYTES;
/** Kept, because a new buffer needs new pages, which takes the time of reading into them. */
let buffer = createBuffer(FIRST_BYTES);
const lazyBuffers = new BufferPool(MAX_FREE_BYTES);

/** A task may replace its output file: these flags follow no link, and do not wait for the writer of a FIFO. */
const OPEN_FLAGS = constants.O_NONBLOCK | constants.O_NOFOLLOW;

/** Error codes for a missing file, or for a link, FIFO, socket or directory in the place of the file or its directory. */
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

/** An output, with the reason for missing parts. */
export interface CollectedOutput {
  output: Output;
  error?: string;
}

/** Removes a file if it exists. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was never created, or is already gone.
  }
}

/** Reads a file of at most 4 KiB; returns `undefined` when it is larger, not a regular file, or inaccessible. */
export function readSmallFile(path: string): string | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, constants.O_RDONLY | OPEN_FLAGS);
    if (!fstatSync(file).isFile()) return undefined;
    const bytes = readStart(file, 4 * 1024 + 1);
    return bytes.length > 4 * 1024 ? undefined : new TextDecoder().decode(bytes);
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/**
 * Truncates an output file that exceeds the limit. Keeps one byte above the limit, so that {@linkcode collectOutputFile}
 * detects the truncation.
 *
 * @returns whether the file exceeded the limit.
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
    return false; // the file does not exist yet, or was removed, which collecting it reports
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Returns whether an open file is a regular file that has the found name and no other name. */
function isSoleLink(open: Stats, found: Stats): boolean {
  return open.isFile() && open.nlink === 1 && open.ino === found.ino && open.dev === found.dev;
}

/**
 * Reads an output file and removes it. Output that is too large for the result moves to a new file.
 *
 * @returns a promise only when the output moves; `undefined` when the file is inaccessible.
 */
export function collectOutputFile(
  path: string,
  options: CaptureOptions,
): CollectedOutput | Promise<CollectedOutput> | undefined {
  const { maxInlineBytes, maxOutputBytes, createFile, isLazy = false, onLimit } = options;
  let file: number | undefined;
  try {
    file = openSync(path, constants.O_RDONLY | OPEN_FLAGS);
    const first = readStart(file, FIRST_BYTES);
    if (first.length < FIRST_BYTES && first.length <= Math.min(maxInlineBytes, maxOutputBytes)) {
      return { output: isLazy && first.length >= MIN_LAZY_BYTES ? lazyCopy(first) : encodeOutput(first) };
    }
    const { size } = fstatSync(file);
    const isTruncated = size > maxOutputBytes;
    const bytes = isTruncated ? maxOutputBytes : size;
    if (isTruncated) onLimit();
    // The size is fixed here: a background process may append more.
    const isAll = bytes <= maxInlineBytes;
    const isWhole = isAll && !isTruncated;
    const inlineBytes = Math.min(bytes, maxInlineBytes);
    const output = isLazy && inlineBytes >= MIN_LAZY_BYTES
      ? lazyStart(file, inlineBytes, isWhole)
      : encodeOutput(part(readStart(file, inlineBytes), isWhole));
    if (isAll) return { output, ...(isTruncated && { error: outputTruncated(bytes) }) };
    const moved = moveFile({ path, file, bytes, isTruncated }, output, createFile);
    file = undefined; // moveFile() closes it
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

/** Reads the beginning of a file. The returned bytes are valid until the next call. */
function readStart(file: number, maxBytes: number): Uint8Array {
  if (maxBytes > buffer.length && maxBytes <= KEPT_BYTES) buffer = createBuffer(KEPT_BYTES);
  return readInto(maxBytes <= buffer.length ? buffer : createBuffer(maxBytes), file, maxBytes);
}

/** Copies an output into a buffer of its own, to be decoded later. */
function lazyCopy(bytes: Uint8Array): Output {
  const target = lazyBuffers.take(bytes.length);
  target.set(bytes);
  return lazyOutput(target.subarray(0, bytes.length), () => lazyBuffers.give(target));
}

/** Reads the beginning of a file into a buffer of its own, to be decoded later. */
function lazyStart(file: number, maxBytes: number, isWhole: boolean): Output {
  const target = lazyBuffers.take(maxBytes);
  return lazyOutput(part(readInto(target, file, maxBytes), isWhole), () => lazyBuffers.give(target));
}

function readInto(target: Uint8Array, file: number, maxBytes: number): Uint8Array {
  return target.subarray(0, readSync(file, target, 0, maxBytes, 0));
}

/** Returns the part of the bytes for the result. Bytes that are not the whole output may end within a character. */
function part(bytes: Uint8Array, isWhole: boolean): Uint8Array {
  return isWhole ? bytes : withoutPartialCharacter(bytes);
}

/** An open output file that is too large for the result. */
interface LargeFile {
  path: string;
  file: number;
  /** The number of bytes to keep. */
  bytes: number;
  /** True when the file has more bytes. */
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
      // A truncated file is copied: a process may still append to the original.
      if (!isTruncated && await moveOpenFile(path, file, target.path)) {
        return { output: Object.assign(inline, { bytes: fstatSync(file).size, file: target.path }) };
      }
      const copiedBytes = await copyInto(target.handle, file, bytes);
      const output = Object.assign(inline, { bytes: copiedBytes, file: target.path });
      return { output, ...(isTruncated && { error: outputTruncated(copiedBytes) }) };
    } finally {
      await target.handle.close();
    }
  } catch (error) {
    // An incomplete file would look complete, and may have filled the disk.
    if (target) await unlink(target.path).catch(() => {});
    return { output: Object.assign(inline, { bytes }), error: outputLost(systemReason(error)) };
  } finally {
    closeSync(file);
    removeFile(path);
  }
}

/** Copies by descriptor, because the name may be a link by now. Returns the number of copied bytes. */
async function copyInto(target: FileHandle, file: number, maxBytes: number): Promise<number> {
  const chunk = new Uint8Array(1024 * 1024);
  let copiedBytes = 0;
  while (copiedBytes < maxBytes) {
    const length = await readAt(file, chunk.subarray(0, Math.min(chunk.length, maxBytes - copiedBytes)), copiedBytes);
    if (length === 0) break;
    await writeAll(target, chunk.subarray(0, length));
    copiedBytes += length;
  }
  return copiedBytes;
}

function readAt(file: number, bytes: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(file, bytes, 0, bytes.length, position, (error, length) => error ? reject(error) : resolve(length));
  });
}

/** Renames an open file. Returns false when the target is on another file system, or when the file has other names. */
async function moveOpenFile(path: string, file: number, newPath: string): Promise<boolean> {
  if (!isSoleLink(fstatSync(file), lstatSync(path))) return false;
  fchmodSync(file, 0o600);
  try {
    await rename(path, newPath);
  } catch (error) {
    if (systemCode(error) !== "EXDEV") throw error;
    return false;
  }
  if (!isSoleLink(fstatSync(file), lstatSync(newPath))) throw new Error(REPLACED); // replaced between check and rename
  return true;
}
