import { GROUP_WATCH, type GroupWatch } from "./group_watch.ts";
import type { RunningProcess } from "../system/process_list.ts";
import type { SendSignal } from "./send_signal.ts";

/** How long what got SIGKILL may take to be gone: something that hangs in the kernel must not hold a run for ever. */
const REAP_MS = 2_000;
const MIN_POLL_MS = 1;
const MAX_POLL_MS = 50;
/** How long a worker's child may take to stop ignoring or catching signals as its worker does. After that it wants to. */
const START_MS = 200;

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
  /** Settles when nothing of the group is left. Never rejects. */
  readonly gone: Promise<void>;
  /** Whether the attempt was there to be ended. It is not found when its worker has gone before. */
  foundAttempt = true;
  readonly #groupId: number;
  readonly #sendSignal: SendSignal;
  readonly #watch: GroupWatch;
  #killAt: number;
  /** When SIGKILL was first sent. */
  #killedMs = Infinity;
  /** The first process of the attempt, when older processes of the group are to be spared. */
  #root: RunningProcess | undefined;
  /** The processes of the attempt that were sent a signal one by one, as others are spared. */
  #members: readonly RunningProcess[] = [];
  /** Ends what waits when SIGKILL is brought forward. */
  #wake: (() => void) | undefined;

  /** Starts to end the group. */
  constructor(
    { id, attemptSinceMs }: ProcessGroup,
    killAfterMs: number,
    sendSignal: SendSignal,
    watch: GroupWatch = GROUP_WATCH,
  ) {
    this.#groupId = id;
    this.#sendSignal = sendSignal;
    this.#watch = watch;
    this.#killAt = performance.now() + killAfterMs;
    this.gone = watch.track(() => this.#terminate(attemptSinceMs));
  }

  /** Brings SIGKILL forward. */
  killAfter(killAfterMs: number): void {
    this.#killAt = Math.min(this.#killAt, performance.now() + killAfterMs);
    this.#wake?.();
  }

  async #terminate(attemptSinceMs: number | undefined): Promise<void> {
    if (attemptSinceMs !== undefined) this.foundAttempt = await this.#findAttempt(attemptSinceMs);
    if (!this.foundAttempt) return;
    await this.#signal("SIGTERM");
    for (let pollMs = MIN_POLL_MS; await this.#isAlive(); pollMs = Math.min(pollMs * 2, MAX_POLL_MS)) {
      const nowMs = performance.now();
      if (nowMs > this.#killedMs + REAP_MS) return;
      if (nowMs >= this.#killAt && this.#killedMs === Infinity) {
        this.#killedMs = nowMs;
        await this.#signal("SIGKILL");
      }
      if (pollMs === MAX_POLL_MS && await this.#hasOnlyZombies()) {
        await this.#signal("SIGKILL"); // for what was being forked while we looked
        return;
      }
      await this.#pause(pollMs);
    }
  }

  /**
   * Waits for the worker to start the attempt, so that it is not missed, and spares what is older. Only Linux can tell.
   *
   * @returns whether there is something to end.
   */
  async #findAttempt(attemptSinceMs: number): Promise<boolean> {
    for (let sinceMs = attemptSinceMs;; sinceMs = performance.now()) {
      const groups = await this.#watch.groupsSince(sinceMs);
      if (!groups) return true;
      const members = groups.get(this.#groupId) ?? [];
      const child = members.find(({ parentPid }) => parentPid === this.#groupId);
      if (child && !this.#isStarting(child, attemptSinceMs)) {
        const others = members.filter(({ pid }) => pid !== this.#groupId);
        if (others.some((other) => isOlder(other, child))) this.#root = child;
        this.#members = others.filter((other) => !isOlder(other, child));
        return true;
      }
      if (!members.some(({ pid }) => pid === this.#groupId)) return false;
      // A worker that starts nothing, though it has had all the time and more, never will.
      if (!child && performance.now() > this.#killAt + REAP_MS) await this.#send(this.#groupId, "SIGKILL");
      await this.#pause(MIN_POLL_MS);
    }
  }

  /** Whether a child still has its worker's traps, so that SIGTERM would be lost. SIGKILL never is. */
  #isStarting({ pid }: RunningProcess, sinceMs: number): boolean {
    const nowMs = performance.now();
    return nowMs - sinceMs <= START_MS && nowMs < this.#killAt && this.#watch.processes.handlesSigterm(pid);
  }

  async #signal(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const { processes } = this.#watch;
    const targets = this.#root
      ? this.#members.filter(({ pid, startTicks }) => processes.isRunning(pid, startTicks)).map(({ pid }) => pid)
      : [-this.#groupId];
    const signals = signal === "SIGTERM" ? [signal, "SIGCONT"] as const : [signal]; // what is stopped must go on to end
    await Promise.all(targets.flatMap((target) => signals.map((each) => this.#send(target, each))));
  }

  /** Returns whether there was anything to signal. When that cannot be found out there may be. */
  async #send(pid: number, signal: NodeJS.Signals | 0): Promise<boolean> {
    try {
      return await this.#sendSignal(pid, signal);
    } catch {
      return true;
    }
  }

  async #isAlive(): Promise<boolean> {
    if (!this.#root) return await this.#send(-this.#groupId, 0);
    const { processes } = this.#watch;
    if (this.#members.some(({ pid, startTicks }) => processes.isRunning(pid, startTicks))) return true;
    // Before they ended they may have started others.
    const groups = await this.#watch.groupsSince(performance.now());
    const first = this.#root;
    this.#members =
      groups?.get(this.#groupId)?.filter((member) => member.pid !== this.#groupId && !isOlder(member, first)) ?? [];
    if (this.#members.length > 0) await this.#signal(this.#killedMs === Infinity ? "SIGTERM" : "SIGKILL");
    return this.#members.length > 0;
  }

  /**
   * Whether all that is left are zombies: they have ended, and wait to be reaped by an init process that is slow or, in
   * many containers, never does it. Only Linux can tell.
   */
  async #hasOnlyZombies(): Promise<boolean> {
    if (this.#root || this.#watch.processes.isRunning(this.#groupId)) return false;
    const groups = await Promise.race([this.#watch.groupsSince(performance.now()), this.#wakeUp()]);
    return groups !== undefined && !groups.has(this.#groupId);
  }

  /** Waits between two looks, and not longer than until SIGKILL is due. */
  async #pause(pollMs: number): Promise<void> {
    const ms = Math.max(pollMs, this.#watch.pollPauseMs);
    const leftMs = this.#killedMs === Infinity ? Math.max(MIN_POLL_MS, this.#killAt - performance.now()) : Infinity;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const over = new Promise<void>((resolve) => timer = setTimeout(resolve, Math.min(ms, leftMs)));
    await Promise.race([over, this.#wakeUp()]);
    clearTimeout(timer);
  }

  /** Settles when SIGKILL is brought forward. */
  #wakeUp(): Promise<undefined> {
    return new Promise((resolve) => this.#wake = () => resolve(undefined));
  }
}

/** Ticks are long, but within one of them process ids go up. */
function isOlder(one: RunningProcess, other: RunningProcess): boolean {
  return one.startTicks < other.startTicks || (one.startTicks === other.startTicks && one.pid < other.pid);
}
