/** Waits for the rest of the output of an exited process. @module */

/** The length of a round. */
const ROUND_MS = 25;
/** More than one, because in a busy program a timer fires before pending bytes are read. */
const QUIET_ROUNDS = 4;
const MAX_ROUNDS = 40;

/** The output of an exited process. */
export interface OpenOutput {
  /** Settles at the end of the output. Never rejects. */
  ended: Promise<unknown>;
  /** Returns the number of bytes that have been read. */
  bytesRead: () => number;
  /**
   * Returns false while the reader is busy with earlier bytes. Such a round does not count.
   *
   * @default always true
   */
  isReading?: () => boolean;
  /**
   * The number of bytes that the process can have left in its pipes. Further bytes come from another process.
   *
   * @default {Infinity}
   */
  maxBytes?: number;
  /** Called to discard the rest of the output. */
  cancel: () => void;
}

/**
 * Waits until the output of an exited process ends. Cancels the output when nothing arrives for several rounds, because a
 * background process may hold the pipes open forever.
 */
export async function drain(output: OpenOutput): Promise<void> {
  const { ended, bytesRead, isReading = () => true, maxBytes = Infinity, cancel } = output;
  const bytesAtExit = bytesRead();
  for (let round = 0, quietRounds = 0; quietRounds < QUIET_ROUNDS && round < MAX_ROUNDS;) {
    const bytesBefore = bytesRead();
    if (bytesBefore - bytesAtExit > maxBytes) break;
    if (await settlesWithin(ended, ROUND_MS)) return;
    if (!isReading()) continue;
    round++;
    quietRounds = bytesRead() === bytesBefore ? quietRounds + 1 : 0;
  }
  cancel();
}

function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, false);
    const settle = () => {
      clearTimeout(timer);
      resolve(true);
    };
    promise.then(settle, settle);
  });
}
