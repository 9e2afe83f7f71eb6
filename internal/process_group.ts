import { readdir, readFile } from "node:fs/promises";
import process from "node:process";

/** How long what got SIGKILL may take to be gone: something that hangs in the kernel must not hold a run for ever. */
const REAP_MS = 2_000;
const MIN_POLL_MS = 1;
const MAX_POLL_MS = 50;

/**
 * Ends a process group: SIGTERM to all of it, and SIGKILL to what is left when the time is over.
 *
 * The id of a group stays taken as long as anything of it is alive, so the group is watched closely and left alone once
 * it is gone: after that the id may belong to somebody else.
 */
export class ProcessGroupTermination {
  /** Settles when nothing of the group is left. */
  readonly gone: Promise<void>;
  readonly #groupId: number;
  #killAt: number;

  /** Starts to end the group. Its leader must not have been reaped yet. */
  constructor(groupId: number, killAfterMs: number) {
    this.#groupId = groupId;
    this.#killAt = performance.now() + killAfterMs;
    this.gone = this.#terminate();
  }

  /** Brings SIGKILL forward. */
  killAfter(killAfterMs: number): void {
    this.#killAt = Math.min(this.#killAt, performance.now() + killAfterMs);
  }

  async #terminate(): Promise<void> {
    this.#signal("SIGTERM");
    this.#signal("SIGCONT"); // what is stopped acts on SIGTERM only when it goes on
    const startedMs = performance.now();
    let killed = false;
    for (let pollMs = MIN_POLL_MS; this.#signal(0); pollMs = Math.min(pollMs * 2, MAX_POLL_MS)) {
      const now = performance.now();
      if (killed && now > this.#killAt + REAP_MS) return;
      if (!killed && now >= this.#killAt) killed = this.#signal("SIGKILL");
      if (pollMs === MAX_POLL_MS && await onlyZombiesLeft(this.#groupId, startedMs)) {
        this.#signal("SIGKILL"); // for what was being forked while we looked
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }

  /** Whether there was anything left to signal. */
  #signal(signal: NodeJS.Signals | 0): boolean {
    try {
      return process.kill(-this.#groupId, signal);
    } catch (error) {
      // Something of the group may be there that may not be signalled, as after setuid; only ESRCH means gone.
      return (error as { code?: string }).code !== "ESRCH";
    }
  }
}

/** How long one look at all processes is good for: a hundred groups that end at once must not look a hundred times. */
const SCAN_MS = 200;
let lastScan: { atMs: number; livingGroups: Promise<ReadonlySet<number> | undefined> } | undefined;

/**
 * Whether all that is left of the group are zombies: they have ended, and wait to be reaped by an init process that is
 * slow or, in many containers, never does it. Only Linux can tell.
 */
async function onlyZombiesLeft(groupId: number, sinceMs: number): Promise<boolean> {
  const nowMs = performance.now();
  // A look from before the group was to end may be from before it was there.
  if (!lastScan || lastScan.atMs < Math.max(sinceMs, nowMs - SCAN_MS)) {
    lastScan = { atMs: nowMs, livingGroups: scanGroups() };
  }
  const livingGroups = await lastScan.livingGroups;
  return livingGroups !== undefined && !livingGroups.has(groupId);
}

/** The groups that have a process which is no zombie; `undefined` where that cannot be seen. */
async function scanGroups(): Promise<ReadonlySet<number> | undefined> {
  try {
    const groups = new Set<number>();
    for (const pid of await readdir("/proc")) {
      if (!/^\d+$/.test(pid)) continue;
      const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
      const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (state !== "Z" && state !== "X") groups.add(Number(group));
    }
    return groups;
  } catch {
    return undefined;
  }
}
