/** The file that tells health checks whether a worker is connected. @module */

import { open, rm } from "node:fs/promises";
import { systemReason } from "../system/system_error.ts";

/** The interval between two checks, in milliseconds. */
export const HEALTH_CHECK_MS = 5_000;

/** Options of {@linkcode HealthFile}. */
export interface HealthFileOptions {
  path: string;
  /** Returns whether the worker is healthy. */
  isHealthy: () => Promise<boolean>;
  /** Called when the file cannot be changed, once for each reason. */
  onNotice: (text: string) => void;
  /** @default {HEALTH_CHECK_MS} */
  intervalMs?: number;
}

/**
 * Updates the time of a file while a worker is healthy, and removes the file otherwise. A check can therefore detect a
 * worker that hangs or was killed, by the age of the file.
 */
export class HealthFile {
  readonly #options: HealthFileOptions;
  readonly #ended: Promise<void>;
  #isClosed = false;
  #wake = () => {};
  #problem: string | undefined;

  /** Removes the file, which an earlier worker may have left, and starts the checks. */
  constructor(options: HealthFileOptions) {
    this.#options = options;
    this.#ended = this.#watch();
  }

  /** Brings the next check forward. */
  check(): void {
    this.#wake();
  }

  /** Removes the file and ends the checks. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.check();
    await this.#ended;
  }

  async #watch(): Promise<void> {
    const { isHealthy, intervalMs = HEALTH_CHECK_MS } = this.#options;
    while (!this.#isClosed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve; // before the check, whose answer may be outdated
      await this.#update(await isHealthy());
      const timer = setTimeout(resolve, intervalMs);
      await promise;
      clearTimeout(timer);
    }
    await this.#update(false);
  }

  async #update(isHealthy: boolean): Promise<void> {
    const { path, onNotice } = this.#options;
    try {
      if (isHealthy) await touch(path);
      else await rm(path, { force: true });
      this.#problem = undefined;
    } catch (error) {
      const problem = `cannot update the health file ${path}: ${systemReason(error)}`;
      if (problem !== this.#problem) onNotice(problem);
      this.#problem = problem;
    }
  }
}

/** Creates a file, or sets its time to now. Never changes the contents of an existing file. */
async function touch(path: string): Promise<void> {
  const file = await open(path, "a");
  try {
    const now = new Date();
    await file.utimes(now, now);
  } finally {
    await file.close();
  }
}
