import { systemCode } from "./system_error.ts";

const MIN_WAIT_MS = 1;
const MAX_WAIT_MS = 50;

/**
 * Repeats an operation of the system until it does not fail with `EAGAIN`: the other end of something non-blocking, such as
 * a pipe that a program before this one has left so, takes or gives nothing now, and will later.
 */
export async function whenReady<T>(operation: () => Promise<T>): Promise<T> {
  for (let waitMs = MIN_WAIT_MS;; waitMs = Math.min(2 * waitMs, MAX_WAIT_MS)) {
    try {
      return await operation();
    } catch (error) {
      if (systemCode(error) !== "EAGAIN") throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}
