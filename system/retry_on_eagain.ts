import { systemCode } from "./system_error.ts";

const MIN_WAIT_MS = 1;
const MAX_WAIT_MS = 50;

/**
 * Retries an operation, with exponential backoff, as long as it fails with `EAGAIN`. `EAGAIN` happens while the other
 * end of a pipe or terminal is not ready, if another program has left that pipe or terminal in non-blocking mode.
 */
export async function retryOnEagain<T>(operation: () => Promise<T>): Promise<T> {
  for (let waitMs = MIN_WAIT_MS;; waitMs = Math.min(2 * waitMs, MAX_WAIT_MS)) {
    try {
      return await operation();
    } catch (error) {
      if (systemCode(error) !== "EAGAIN") throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}
