import { Buffer } from "node:buffer";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { TaskResult } from "../../records/result.ts";

/** The part at the end of a standard error that is searched for lines. */
const TAIL_BYTES = 64 * 1024;

type StandardError = Pick<TaskResult, "stderr" | "stderrEncoding" | "stderrFile">;

/** Returns the last lines of a task's standard error that are not blank. */
export function lastLines(result: StandardError, count: number): string[] | Promise<string[]> {
  const { stderr, stderrEncoding, stderrFile } = result;
  if (stderrFile !== undefined) return tailOf(stderrFile).then((text) => linesOf(text, count));
  const text = stderrEncoding === "base64" ? Buffer.from(stderr, "base64").toString() : stderr;
  return linesOf(text.slice(-TAIL_BYTES), count);
}

function linesOf(text: string, count: number): string[] {
  const lines: string[] = [];
  for (let end = text.length; end > 0 && lines.length < count;) {
    const begin = Math.max(text.lastIndexOf("\n", end - 1), text.lastIndexOf("\r", end - 1)) + 1;
    if (/\S/.test(text.slice(begin, end))) lines.unshift(text.slice(begin, end));
    end = begin - 1;
  }
  return lines;
}

/** Returns the end of a regular file; nothing if the file is missing. Neither follows a link nor waits for a FIFO. */
async function tailOf(path: string): Promise<string> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    try {
      const status = await file.stat();
      if (!status.isFile()) return "";
      const begin = Math.max(0, status.size - TAIL_BYTES);
      const bytes = Buffer.alloc(status.size - begin);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, begin);
      return bytes.toString("utf8", 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    return "";
  }
}
