import type { FileHandle } from "node:fs/promises";
import { MAX_RESULT_LINE_BYTES, parseResult } from "../records/result.ts";
import { openWithoutWaiting } from "../system/special_file.ts";

const LF = 0x0a;
const BLOCK_BYTES = 256 * 1024;

/** The end of a results file. */
export interface ResultsEnd {
  /** Size of the complete results, in bytes. */
  wholeBytes: number;
  /** Size of the incomplete line after them, in bytes. */
  tornBytes: number;
  /** True when the last result is complete except for its newline. */
  lacksNewline: boolean;
}

/**
 * Finds the end of the complete results in a file. A power cut, a full disk or SIGKILL can leave a part of a line after
 * them.
 *
 * @throws `Error` when the file is not a regular file.
 */
export async function findResultsEnd(path: string): Promise<ResultsEnd> {
  const file = await openWithoutWaiting(path);
  try {
    return await endOf(file);
  } finally {
    await file.close();
  }
}

async function endOf(file: FileHandle): Promise<ResultsEnd> {
  const status = await file.stat();
  if (!status.isFile()) throw new Error(NOT_REGULAR);
  const { size } = status;
  const block = new Uint8Array(BLOCK_BYTES);
  let begin = size;
  for (let found = -1; begin > 0 && found === -1;) {
    const length = Math.min(begin, BLOCK_BYTES);
    await file.read(block, 0, length, begin - length);
    found = block.subarray(0, length).lastIndexOf(LF);
    begin -= length - (found + 1);
  }
  const lacksNewline = size - begin <= MAX_RESULT_LINE_BYTES && isResult(await readRange(file, begin, size - begin));
  const tornBytes = lacksNewline ? 0 : size - begin;
  return { wholeBytes: size - tornBytes, tornBytes, lacksNewline };
}

/** The reason why a pipe, a device or a directory cannot be resumed. */
export const NOT_REGULAR = "it is not a regular file";

async function readRange(file: FileHandle, begin: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await file.read(bytes, 0, length, begin);
  return bytes;
}

function isResult(bytes: Uint8Array): boolean {
  try {
    parseResult(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
    return true;
  } catch {
    return false;
  }
}
