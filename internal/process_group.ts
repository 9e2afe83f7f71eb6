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
export class ProcessGroupEnd {
  /** Settles when nothing of the group is left. */
  readonly gone: Promise<void>;
  readonly #groupId: number;
  #killAt: number;

  /** Starts to end the group. Its leader must not have been reaped yet. */
  constructor(groupId: number, killAfterMs: number) {
    this.#groupId = groupId;
    this.#killAt = performance.now() + killAfterMs;
    this.gone = this.#end();
  }

  /** Brings SIGKILL forward. */
  killAfter(killAfterMs: number): void {
    this.#killAt = Math.min(this.#killAt, performance.now() + killAfterMs);
  }

  async #end(): Promise<void> {
    this.#signal("SIGTERM");
    this.#signal("SIGCONT"); // what is stopped acts on SIGTERM only when it goes on
    let killed = false;
    for (let pollMs = MIN_POLL_MS; this.#signal(0); pollMs = Math.min(pollMs * 2, MAX_POLL_MS)) {
      const now = performance.now();
      if (killed && now > this.#killAt + REAP_MS) return;
      if (!killed && now >= this.#killAt) killed = this.#signal("SIGKILL");
      if (pollMs === MAX_POLL_MS && await onlyZombiesLeft(this.#groupId)) {
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

/**
 * Whether all that is left of the group are zombies: they have ended, and wait to be reaped by an init process that is
 * slow or, in many containers, never does it. Only Linux can tell.
 */
async function onlyZombiesLeft(groupId: number): Promise<boolean> {
  try {
    for (const pid of await readdir("/proc")) {
      if (!/^\d+$/.test(pid)) continue;
      const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
      const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(group) === groupId && state !== "Z" && state !== "X") return false;
    }
    return true;
  } catch {
    return false;
  }
}
