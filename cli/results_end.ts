import type { FileHandle } from "node:fs/promises";
import { openWithoutWaiting } from "../system/special_file.ts";
import { MAX_RESULT_LINE_BYTES, parseResult } from "../records/result.ts";

const LF = 0x0a;
const BLOCK_BYTES = 256 * 1024;

/** The end of a file of results. */
export interface ResultsEnd {
  /** How much of it is whole results. */
  wholeBytes: number;
  /** How much comes after them, which whoever wrote it could not finish. */
  tornBytes: number;
  /** The last result lacks its newline only. */
  lacksNewline: boolean;
}

/** A line is written at one go, but a power cut, a full disk or SIGKILL can leave a part of it: finds where that begins. */
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
  if (!status.isFile()) throw new Error("it is no regular file");
  const { size } = status;
  const block = new Uint8Array(BLOCK_BYTES);
  let begin = size;
  for (let found = -1; begin > 0 && found === -1;) {
    const length = Math.min(begin, BLOCK_BYTES);
    await file.read(block, 0, length, begin - length);
    found = block.subarray(0, length).lastIndexOf(LF);
    begin -= length - (found + 1);
  }
  const lacksNewline = size - begin <= MAX_RESULT_LINE_BYTES && isResult(await bytesFrom(file, begin, size - begin));
  const tornBytes = lacksNewline ? 0 : size - begin;
  return { wholeBytes: size - tornBytes, tornBytes, lacksNewline };
}

async function bytesFrom(file: FileHandle, begin: number, length: number): Promise<Uint8Array> {
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
