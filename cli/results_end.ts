import { Buffer } from "node:buffer";
import { type FileHandle, open } from "node:fs/promises";
import { parseResult } from "../result.ts";

const LF = 0x0a;
const BLOCK_BYTES = 64 * 1024;

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
  const file = await open(path, "r");
  try {
    return await endOf(file);
  } finally {
    await file.close();
  }
}

async function endOf(file: FileHandle): Promise<ResultsEnd> {
  const status = await file.stat();
  if (!status.isFile()) throw new Error("it is no regular file");
  let begin = status.size;
  const blocks: Uint8Array[] = [];
  for (let found = -1; begin > 0 && found === -1;) {
    const block = new Uint8Array(Math.min(begin, BLOCK_BYTES));
    begin -= block.length;
    await file.read(block, 0, block.length, begin);
    found = block.lastIndexOf(LF);
    blocks.unshift(block.subarray(found + 1));
  }
  const tail = Buffer.concat(blocks);
  const lacksNewline = isResult(tail);
  const tornBytes = lacksNewline ? 0 : tail.length;
  return { wholeBytes: status.size - tornBytes, tornBytes, lacksNewline };
}

function isResult(bytes: Uint8Array): boolean {
  try {
    parseResult(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
    return true;
  } catch {
    return false;
  }
}
