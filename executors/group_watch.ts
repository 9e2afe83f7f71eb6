import { PROCESSES, type ProcessGroups, type ProcessList } from "../system/process_list.ts";

/** Scans take at most a quarter of the time. */
const SCAN_PAUSE_FACTOR = 3;
/** Much less time than it takes until the id of a process is used again. */
const MAX_PAUSE_MS = 500;
/** Many times what a look at one group takes. */
const POLL_PAUSE_MS = 0.2;

/**
 * What all terminations that are under way share: scans of all processes, and how often each may look at its own group.
 * The work of ending many groups thus grows with their number and with that of all processes, but not with the product.
 */
export class GroupWatch {
  readonly processes: ProcessList;
  /** How many terminations are under way. */
  #terminations = 0;
  #scan: { startedMs: number; groups: ProcessGroups | undefined } | undefined;
  #nextScan: Promise<void> | undefined;
  /** When the next scan may begin. */
  #nextScanMs = -Infinity;

  constructor(processes: ProcessList) {
    this.processes = processes;
  }

  /** The least time between two looks at a group. */
  get pollPauseMs(): number {
    return Math.min(MAX_PAUSE_MS, POLL_PAUSE_MS * this.#terminations);
  }

  /** Calls a function that ends a group. */
  async track(end: () => Promise<void>): Promise<void> {
    this.#terminations++;
    try {
      await end();
    } finally {
      this.#terminations--;
      if (this.#terminations === 0) this.#scan = undefined; // it may be large
    }
  }

  /**
   * Returns all processes as a scan has seen them that began at that time or later; `undefined` where they cannot be
   * seen. Everybody who waits gets the same scan.
   */
  async groupsSince(sinceMs: number): Promise<ProcessGroups | undefined> {
    while (!this.#scan || this.#scan.startedMs < sinceMs) await (this.#nextScan ??= this.#scanNext());
    return this.#scan.groups;
  }

  async #scanNext(): Promise<void> {
    const waitMs = this.#nextScanMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    else await Promise.resolve(); // for all that are to be ended at the same time
    this.#nextScan = undefined;
    const startedMs = performance.now();
    this.#scan = { startedMs, groups: this.processes.scan() };
    const endedMs = performance.now();
    this.#nextScanMs = endedMs + Math.min(MAX_PAUSE_MS, SCAN_PAUSE_FACTOR * (endedMs - startedMs));
  }
}

/** The watch of this program. */
export const GROUP_WATCH: GroupWatch = new GroupWatch(PROCESSES);
