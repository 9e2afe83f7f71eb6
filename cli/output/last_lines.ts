import { Buffer } from "node:buffer";
import type { TaskResult } from "../../records/result.ts";
import { readTail } from "../../system/file_tail.ts";

/** The part at the end of a standard error that is searched for lines. */
const TAIL_BYTES = 64 * 1024;

type StandardError = Pick<TaskResult, "stderr" | "stderrEncoding" | "stderrFile">;

/** Returns the last lines of a task's standard error that are not blank. */
export function lastLines(result: StandardError, count: number): string[] | Promise<string[]> {
  const { stderr, stderrEncoding, stderrFile } = result;
  if (stderrFile !== undefined) {
    return readTail(stderrFile, TAIL_BYTES).then((bytes) => linesOf(Buffer.from(bytes ?? []).toString(), count));
  }
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
