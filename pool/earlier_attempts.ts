import { Buffer } from "node:buffer";
import { type EarlierAttempt, MAX_EARLIER_ATTEMPTS } from "../records/result.ts";
import { readTail } from "../system/file_tail.ts";
import { encodeOutput } from "./encode_output.ts";
import type { AttemptResult, Output } from "./executor.ts";
import { type AttemptMeta, toResult } from "./outcome.ts";

/** The size of the end of standard error that is kept. */
const STDERR_END_BYTES = 2 * 1024;

/** The longest character of UTF-8 without its first byte, in bytes. */
const MAX_PARTIAL_BYTES = 3;

/** Returns the earlier attempts of a task whose latest attempt is retried. Must be called before its output is discarded. */
export async function withLatestAttempt(
  { meta, result }: { meta: AttemptMeta; result: AttemptResult },
): Promise<readonly EarlierAttempt[]> {
  const { earlierAttempts = [] } = meta;
  return [...earlierAttempts, await earlierAttempt(meta, result)].slice(-MAX_EARLIER_ATTEMPTS);
}

async function earlierAttempt(meta: AttemptMeta, attemptResult: AttemptResult): Promise<EarlierAttempt> {
  const { outcome, status, signal, error, slot, worker, startedAt, durationMs, userMs, systemMs } = toResult(
    meta,
    attemptResult,
    attemptResult.stoppedBy,
    undefined,
  );
  const { text, encoding } = encodeEnd(await endOf(attemptResult.stderr));
  return {
    outcome,
    status,
    ...(signal !== undefined && { signal }),
    ...(error !== undefined && { error }),
    slot,
    ...(worker && { worker }),
    startedAt,
    durationMs,
    ...(userMs !== undefined && { userMs }),
    ...(systemMs !== undefined && { systemMs }),
    stderrEnd: text,
    ...(encoding && { stderrEndEncoding: encoding }),
  };
}

/** Returns the last bytes of an output; those of its kept part when the file is unreadable. */
async function endOf({ text, encoding, file }: Output): Promise<Uint8Array> {
  const bytes = file === undefined ? undefined : await readTail(file, STDERR_END_BYTES);
  return bytes ?? Buffer.from(text, encoding).subarray(-STDERR_END_BYTES);
}

/** Encodes the last bytes of an output. Text begins with a whole character. */
function encodeEnd(bytes: Uint8Array): Pick<Output, "text" | "encoding"> {
  const maxPartial = bytes.length < STDERR_END_BYTES ? 0 : MAX_PARTIAL_BYTES;
  let begin = 0;
  while (begin < maxPartial && isContinuation(bytes[begin]!)) begin++;
  const text = encodeOutput(bytes.subarray(begin));
  return text.encoding ? encodeOutput(bytes) : text;
}

/** Returns whether a byte continues a character of UTF-8. */
function isContinuation(byte: number): boolean {
  return (byte & 0b1100_0000) === 0b1000_0000;
}
