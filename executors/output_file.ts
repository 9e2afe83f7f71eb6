/** Takes the output of an attempt out of the files it was written to. @module */

import { closeSync, fstatSync, openSync, readSync, statSync, truncateSync, unlinkSync } from "node:fs";
import { chmod, type FileHandle, rename, stat, unlink } from "node:fs/promises";
import { filePieces } from "../internal/file_pieces.ts";
import { systemCode, systemReason } from "../internal/system_error.ts";
import { writeAll } from "../internal/write_all.ts";
import { encodeOutput, outputCut, outputLost, type OutputOptions, withoutCutCharacter } from "./output.ts";
import type { SpillFile } from "./spill_directory.ts";
import type { Output } from "./types.ts";

/** Most output is far shorter, and is read at one go. */
const BUFFER_BYTES = 64 * 1024;
const buffer = new Uint8Array(BUFFER_BYTES);

/** The errors for a file that is not there, or that nobody can get at because something else is where its directory was. */
const GONE: ReadonlySet<string | undefined> = new Set(["ENOENT", "ENOTDIR", "ELOOP", "EACCES"]);

/** An output that was taken, or why not all of it could be kept. */
export interface TakenOutput {
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

/**
 * Cuts a file off that has more than is kept of an output, and says whether it had. It keeps one byte more, by which
 * {@linkcode takeOutputFile} knows.
 */
export function cutOutputFile(path: string, maxOutputBytes: number): boolean {
  try {
    if (statSync(path).size <= maxOutputBytes) return false;
    truncateSync(path, maxOutputBytes + 1);
    return true;
  } catch {
    return false; // it was not made yet, or was removed; whoever takes it will find out
  }
}

/**
 * Takes a file's content, and the file away.
 *
 * @returns `undefined` when it cannot be got at; a promise when it is too large for the result, and has to be moved.
 */
export function takeOutputFile(
  path: string,
  options: OutputOptions,
): TakenOutput | Promise<TakenOutput> | undefined {
  const { maxInlineBytes, maxOutputBytes, createFile, onLimit } = options;
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if (GONE.has(systemCode(error))) return undefined;
    return { output: { text: "" }, error: outputLost(systemReason(error)) };
  }
  let isMoved = false;
  try {
    const first = readInto(buffer, file);
    if (first.length < BUFFER_BYTES && first.length <= Math.min(maxInlineBytes, maxOutputBytes)) {
      return { output: encodeOutput(first) };
    }
    const { size } = fstatSync(file);
    const isCut = size > maxOutputBytes;
    const bytes = isCut ? maxOutputBytes : size;
    if (isCut) onLimit();
    // Read once more from the beginning: a background process may write on, but what is here is here.
    const inline = readInto(new Uint8Array(Math.min(bytes, maxInlineBytes)), file);
    const isAll = bytes <= maxInlineBytes;
    const output = encodeOutput(isAll && !isCut ? inline : withoutCutCharacter(inline));
    if (isAll) return { output, ...(isCut && { error: outputCut(bytes) }) };
    isMoved = true;
    return moveFile(path, output, bytes, isCut, createFile);
  } catch (error) {
    return { output: { text: "" }, error: outputLost(systemReason(error)) };
  } finally {
    closeSync(file);
    if (!isMoved) removeFile(path);
  }
}

/** As many of the bytes, from the beginning of the file, as are there. */
function readInto(bytes: Uint8Array, file: number): Uint8Array {
  return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, 0));
}

async function moveFile(
  path: string,
  inline: Output,
  bytes: number,
  isCut: boolean,
  createFile: () => Promise<SpillFile>,
): Promise<TakenOutput> {
  let target: SpillFile | undefined;
  try {
    target = await createFile();
    try {
      await chmod(path, 0o600);
      // One that was cut is copied: what still prints into it must not make it longer again.
      if (!isCut && await isRenamed(path, target.path)) {
        return { output: { ...inline, bytes: (await stat(target.path)).size, file: target.path } };
      }
      const copiedBytes = await copyInto(target.handle, path, isCut ? bytes : undefined);
      removeFile(path);
      const output = { ...inline, bytes: copiedBytes, file: target.path };
      return { output, ...(isCut && { error: outputCut(copiedBytes) }) };
    } finally {
      await target.handle.close();
    }
  } catch (error) {
    removeFile(path);
    // A part of it in a file would look like all of it, and what fills a full disk should go.
    if (target) await unlink(target.path).catch(() => {});
    return { output: { ...inline, bytes }, error: outputLost(systemReason(error)) };
  }
}

/** Copies a file into an open one: in a directory that others can write to, its name could be that of a link by now. */
async function copyInto(file: FileHandle, path: string, bytes?: number): Promise<number> {
  let copiedBytes = 0;
  for await (const piece of filePieces(path, bytes)) {
    await writeAll(file, piece);
    copiedBytes += piece.length;
  }
  return copiedBytes;
}

/** Renames a file, unless the new name is on another disk. */
async function isRenamed(path: string, newPath: string): Promise<boolean> {
  try {
    await rename(path, newPath);
    return true;
  } catch (error) {
    if (systemCode(error) !== "EXDEV") throw error;
    return false;
  }
}
