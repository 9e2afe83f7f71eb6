import { PROCESSES, type ProcessGroups, type ProcessList } from "../system/process_list.ts";

/** The pause after a scan, as a multiple of its duration: scans take at most a quarter of the time. */
const SCAN_PAUSE_FACTOR = 3;
/** The longest pause, far below the time until Linux reuses a process id. */
const MAX_PAUSE_MS = 500;
/** The pause between two polls of a group, for each running termination: many times the cost of a poll. */
const POLL_PAUSE_MS = 0.2;

/**
 * Shares scans of all processes between running terminations, and limits the rate at which they poll their groups. The
 * cost of terminating many groups grows with the number of groups plus the number of processes, not with their product.
 */
export class GroupWatch {
  readonly processes: ProcessList;
  /** The number of running terminations. */
  #terminations = 0;
  #scan: { startedMs: number; groups: ProcessGroups | undefined } | undefined;
  #nextScan: Promise<void> | undefined;
  /** The earliest start of the next scan, by `performance.now()`. */
  #nextScanMs = -Infinity;

  constructor(processes: ProcessList) {
    this.processes = processes;
  }

  /** The shortest pause between two polls of a group, in milliseconds. */
  get pollPauseMs(): number {
    return Math.min(MAX_PAUSE_MS, POLL_PAUSE_MS * this.#terminations);
  }

  /** Runs a termination. */
  async track(terminate: () => Promise<void>): Promise<void> {
    this.#terminations++;
    try {
      await terminate();
    } finally {
      this.#terminations--;
      if (this.#terminations === 0) this.#scan = undefined; // frees memory
    }
  }

  /**
   * Returns the result of a scan that started at the given time or later; `undefined` where processes cannot be listed.
   * Concurrent callers share one scan.
   */
  async groupsSince(sinceMs: number): Promise<ProcessGroups | undefined> {
    while (!this.#scan || this.#scan.startedMs < sinceMs) await (this.#nextScan ??= this.#scanNext());
    return this.#scan.groups;
  }

  async #scanNext(): Promise<void> {
    const waitMs = this.#nextScanMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    else await Promise.resolve(); // so that all terminations of this turn share the scan
    const startedMs = performance.now();
    const scanned = this.processes.scan();
    this.#scan = { startedMs, groups: scanned instanceof Promise ? await scanned : scanned };
    const endedMs = performance.now();
    this.#nextScan = undefined;
    this.#nextScanMs = endedMs + Math.min(MAX_PAUSE_MS, SCAN_PAUSE_FACTOR * (endedMs - startedMs));
  }
}

/** The watch that all terminations of this program share. */
export const GROUP_WATCH: GroupWatch = new GroupWatch(PROCESSES);
