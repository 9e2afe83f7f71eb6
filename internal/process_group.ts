import { readdirSync, readFileSync } from "node:fs";
import { isPermitted } from "./deno_permissions.ts";
import { statFields } from "./process_stat.ts";
import type { SendSignal } from "./send_signal.ts";

/** How long what got SIGKILL may take to be gone: something that hangs in the kernel must not hold a run for ever. */
const REAP_MS = 2_000;
const MIN_POLL_MS = 1;
const MAX_POLL_MS = 50;

/** The processes to end. */
export interface ProcessGroup {
  /** The id of the group. Its leader must not have been reaped yet. */
  id: number;
  /**
   * Given when the leader is a worker that starts one attempt after another: when this one was handed to it, by
   * `performance.now()`. What earlier attempts have left in the background is spared. The worker must end by itself when
   * its child has.
   */
  attemptSinceMs?: number;
}

/**
 * Ends a process group: SIGTERM to all of it, and SIGKILL to what is left when the time is over.
 *
 * The id of a group stays taken as long as anything of it is alive, so the group is watched closely and left alone once
 * it is gone: after that the id may belong to somebody else.
 */
export class ProcessGroupTermination {
  /** Settles when nothing of the group is left. */
  readonly gone: Promise<void>;
  /** Whether the attempt was there to be ended. It is not found when its worker has gone before. */
  foundAttempt = true;
  readonly #groupId: number;
  readonly #sendSignal: SendSignal;
  /** Processes of the group that are not to be ended. */
  #spared: ReadonlySet<number> = new Set();
  #killAt: number;

  /** Starts to end the group. */
  constructor({ id, attemptSinceMs }: ProcessGroup, killAfterMs: number, sendSignal: SendSignal) {
    this.#groupId = id;
    this.#sendSignal = sendSignal;
    this.#killAt = performance.now() + killAfterMs;
    this.gone = this.#terminate(attemptSinceMs);
  }

  /** Brings SIGKILL forward. */
  killAfter(killAfterMs: number): void {
    this.#killAt = Math.min(this.#killAt, performance.now() + killAfterMs);
  }

  async #terminate(attemptSinceMs: number | undefined): Promise<void> {
    if (attemptSinceMs !== undefined) this.foundAttempt = await this.#findAttempt(attemptSinceMs);
    if (!this.foundAttempt) return;
    await Promise.all([this.#signal("SIGTERM"), this.#signal("SIGCONT")]); // what is stopped must go on to end
    const startedMs = performance.now();
    let killed = false;
    for (let pollMs = MIN_POLL_MS; await this.#signal(0); pollMs = Math.min(pollMs * 2, MAX_POLL_MS)) {
      const now = performance.now();
      if (killed && now > this.#killAt + REAP_MS) return;
      if (!killed && now >= this.#killAt) killed = await this.#signal("SIGKILL");
      if (pollMs === MAX_POLL_MS && this.#hasOnlyZombies(startedMs)) {
        await this.#signal("SIGKILL"); // for what was being forked while we looked
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }

  /**
   * Waits for the worker to start the attempt, so that it is not missed, and spares what is older. Only Linux can tell.
   *
   * @returns whether there is something to end.
   */
  async #findAttempt(attemptSinceMs: number): Promise<boolean> {
    for (let sinceMs = attemptSinceMs;; sinceMs = performance.now()) {
      const members = membersOf(this.#groupId, sinceMs);
      if (!members) return true;
      const child = members.find(({ parentPid }) => parentPid === this.#groupId);
      if (child && !isStarting(child, attemptSinceMs)) {
        this.#spared = new Set(
          members.filter((member) => member.pid !== this.#groupId && isOlder(member, child)).map(({ pid }) => pid),
        );
        return true;
      }
      if (!members.some(({ pid }) => pid === this.#groupId)) return false;
      await new Promise((resolve) => setTimeout(resolve, MIN_POLL_MS));
    }
  }

  /** Whether there was anything left to signal. */
  async #signal(signal: NodeJS.Signals | 0): Promise<boolean> {
    if (this.#spared.size === 0) return await this.#sendSignal(-this.#groupId, signal);
    const members = membersOf(this.#groupId, performance.now()) ?? [];
    const pids = members.map(({ pid }) => pid).filter((pid) => pid !== this.#groupId && !this.#spared.has(pid));
    return (await Promise.all(pids.map((pid) => this.#sendSignal(pid, signal)))).includes(true);
  }

  /**
   * Whether all that is left are zombies: they have ended, and wait to be reaped by an init process that is slow or, in
   * many containers, never does it. Only Linux can tell.
   */
  #hasOnlyZombies(sinceMs: number): boolean {
    return this.#spared.size === 0 && membersOf(this.#groupId, sinceMs)?.length === 0;
  }
}

interface Member {
  pid: number;
  parentPid: number;
  /** When it was started, in ticks of the system's clock. */
  startTicks: number;
}

/** Ticks are long, but within one of them process ids go up. */
function isOlder(one: Member, other: Member): boolean {
  return one.startTicks < other.startTicks || (one.startTicks === other.startTicks && one.pid < other.pid);
}

/** How long a worker's child may take to stop ignoring or catching signals as its worker does. After that it wants to. */
const START_MS = 200;
const TERM_BIT = 1n << 14n;

function isStarting({ pid }: Member, sinceMs: number): boolean {
  if (performance.now() - sinceMs > START_MS) return false;
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    return [...status.matchAll(/^Sig(?:Ign|Cgt):\s*(\w+)$/gm)].some(([, set]) => BigInt(`0x${set}`) & TERM_BIT);
  } catch {
    return false;
  }
}

/** How long one look at all processes is good for: a hundred groups that end at once must not look a hundred times. */
const SCAN_MS = 100;
let lastScan: { atMs: number; groups: ReadonlyMap<number, Member[]> | undefined } | undefined;

/** The members of a group that are no zombies, as seen at that time or later; `undefined` where that cannot be seen. */
function membersOf(groupId: number, sinceMs: number): readonly Member[] | undefined {
  const nowMs = performance.now();
  if (!lastScan || lastScan.atMs < Math.max(sinceMs, nowMs - SCAN_MS)) {
    lastScan = { atMs: nowMs, groups: scanGroups() };
  }
  return lastScan.groups && (lastScan.groups.get(groupId) ?? []);
}

/** Every process that is no zombie, by its group. */
function scanGroups(): ReadonlyMap<number, Member[]> | undefined {
  if (!isPermitted({ name: "read", path: "/proc" })) return undefined;
  const groups = new Map<number, Member[]>();
  try {
    for (const entry of readdirSync("/proc")) {
      const pid = Number(entry);
      if (!Number.isInteger(pid)) continue;
      const fields = fieldsOf(pid);
      if (!fields || fields[0] === "Z" || fields[0] === "X") continue;
      const groupId = Number(fields[2]);
      const member = { pid, parentPid: Number(fields[1]), startTicks: Number(fields[19]) };
      const members = groups.get(groupId);
      if (members) members.push(member);
      else groups.set(groupId, [member]);
    }
    return groups;
  } catch {
    return undefined;
  }
}

/** `undefined` when it has gone. */
function fieldsOf(pid: number): string[] | undefined {
  try {
    return statFields(`/proc/${pid}`);
  } catch {
    return undefined;
  }
}
