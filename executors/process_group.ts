import { GROUP_WATCH, type GroupWatch } from "./group_watch.ts";
import type { RunningProcess } from "../system/process_list.ts";
import type { SendSignal } from "./send_signal.ts";

/** The longest wait after SIGKILL: a process that hangs in the kernel must not block the run. */
const REAP_MS = 2_000;
const MIN_POLL_MS = 1;
const MAX_POLL_MS = 50;
/** The time for a child of a worker to reset inherited traps. A child that handles SIGTERM later does so by itself. */
const START_MS = 200;

/** The same where the system does not reveal whether the child handles SIGTERM: the shell resets traps first of all. */
const FORK_MS = 50;

/** The processes to terminate. */
export interface ProcessGroup {
  /** The id of the group. The leader must not have been reaped yet. */
  id: number;
  /**
   * The time at which the leader, a shell worker, received the attempt, by `performance.now()`. Background processes of
   * earlier attempts are spared. The worker must exit by itself after its child.
   *
   * @default the leader is not a worker; the whole group is terminated
   */
  attemptSinceMs?: number;
  /**
   * True when the leader stands for the shell of the attempt, and its children for the programs of the shell: the leader
   * gets SIGTERM as well, and keeps ended children as zombies.
   *
   * @default false
   */
  leaderIsShell?: boolean;
}

/**
 * Terminates a process group: sends SIGTERM to all processes, and SIGKILL to those that remain after a delay.
 *
 * The system may reuse the id of a group as soon as its last process is gone. The group is therefore polled at short
 * intervals, and gets no signal after it was found empty.
 */
export class ProcessGroupTermination {
  /** Settles when no process of the group remains. Never rejects. */
  readonly gone: Promise<void>;
  /** False when the worker ended before it started the attempt. */
  foundAttempt = true;
  readonly #groupId: number;
  readonly #leaderIsShell: boolean;
  readonly #sendSignal: SendSignal;
  readonly #watch: GroupWatch;
  #killAtMs: number;
  /** The time of the first SIGKILL. */
  #killedMs = Infinity;
  /** The first process of the attempt; `undefined` when the group has no older processes to spare. */
  #root: RunningProcess | undefined;
  /** The leader, if it gets signals as well. */
  #leader: RunningProcess | undefined;
  /** The processes of the attempt, which get signals one by one when others are spared. */
  #members: readonly RunningProcess[] = [];
  /** Interrupts a pause when SIGKILL is brought forward. */
  #wake: (() => void) | undefined;

  /** Starts the termination. */
  constructor(
    { id, attemptSinceMs, leaderIsShell = false }: ProcessGroup,
    killAfterMs: number,
    sendSignal: SendSignal,
    watch: GroupWatch = GROUP_WATCH,
  ) {
    this.#groupId = id;
    this.#leaderIsShell = leaderIsShell;
    this.#sendSignal = sendSignal;
    this.#watch = watch;
    this.#killAtMs = performance.now() + killAfterMs;
    this.gone = watch.track(() => this.#terminate(attemptSinceMs));
  }

  /** Brings SIGKILL forward. */
  killAfter(killAfterMs: number): void {
    this.#killAtMs = Math.min(this.#killAtMs, performance.now() + killAfterMs);
    this.#wake?.();
  }

  async #terminate(attemptSinceMs: number | undefined): Promise<void> {
    if (attemptSinceMs !== undefined) this.foundAttempt = await this.#findAttempt(attemptSinceMs);
    if (!this.foundAttempt) return;
    await this.#signal("SIGTERM");
    for (let pollMs = MIN_POLL_MS; await this.#isAlive(); pollMs = Math.min(pollMs * 2, MAX_POLL_MS)) {
      const nowMs = performance.now();
      if (nowMs > this.#killedMs + REAP_MS) return;
      if (nowMs >= this.#killAtMs && this.#killedMs === Infinity) {
        this.#killedMs = nowMs;
        await this.#signal("SIGKILL");
      }
      if (pollMs === MAX_POLL_MS && await this.#hasOnlyZombies()) {
        await this.#signal("SIGKILL"); // for a process that was forked during the scan
        return;
      }
      await this.#pause(pollMs);
    }
  }

  /**
   * Waits until the worker has started the attempt, and finds the processes that are not older than the attempt. Where
   * processes cannot be listed, all processes of the group count.
   *
   * @returns false when there is nothing to terminate.
   */
  async #findAttempt(attemptSinceMs: number): Promise<boolean> {
    for (let sinceMs = attemptSinceMs;; sinceMs = performance.now()) {
      const groups = await this.#watch.groupsSince(sinceMs);
      if (!groups) return true;
      const members = groups.get(this.#groupId) ?? [];
      const child = members.find(({ parentPid }) => parentPid === this.#groupId);
      if (child && !this.#isStarting(child, attemptSinceMs)) {
        const others = members.filter(({ pid }) => pid !== this.#groupId);
        const first = this.#firstChild(child);
        if (others.some((other) => isOlder(other, first))) this.#root = first;
        this.#members = others.filter((other) => !isOlder(other, first));
        if (this.#leaderIsShell) this.#leader = members.find(({ pid }) => pid === this.#groupId);
        return true;
      }
      if (!members.some(({ pid }) => pid === this.#groupId)) return false;
      // A worker that has not started the attempt by now never will.
      if (!child && performance.now() > this.#killAtMs + REAP_MS) await this.#send(this.#groupId, "SIGKILL");
      await this.#pause(MIN_POLL_MS);
    }
  }

  /** Returns the first process of the attempt. */
  #firstChild(child: RunningProcess): RunningProcess {
    const children = this.#leaderIsShell ? this.#watch.processes.children(this.#groupId) ?? [] : [];
    return children.reduce((first, other) => isOlder(other, first) ? other : first, child);
  }

  /** Returns true while a child has the traps of its worker, so that SIGTERM would be lost. */
  #isStarting({ pid }: RunningProcess, sinceMs: number): boolean {
    const nowMs = performance.now();
    if (nowMs - sinceMs > START_MS || nowMs >= this.#killAtMs) return false;
    return this.#watch.processes.handlesSigterm(pid) ?? nowMs - sinceMs <= FORK_MS;
  }

  async #signal(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const { processes } = this.#watch;
    const targets = this.#root
      ? this.#members.filter(({ pid, startTicks }) => processes.isRunning(pid, startTicks) ?? true).map(({ pid }) =>
        pid
      )
      : [-this.#groupId];
    const leader = this.#root && signal === "SIGTERM" ? this.#leader : undefined;
    // Before its children end, so that it does not take their ends for those of a pipeline.
    if (leader && processes.isRunning(leader.pid, leader.startTicks)) await this.#send(leader.pid, signal);
    // A stopped process handles SIGTERM only after SIGCONT.
    const signals = signal === "SIGTERM" ? [signal, "SIGCONT"] as const : [signal];
    await Promise.all(targets.flatMap((target) => signals.map((each) => this.#send(target, each))));
  }

  /** Returns whether the target exists, or true when the signal cannot be sent. */
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
    // The ended processes may have started others.
    const groups = await this.#watch.groupsSince(performance.now());
    const first = this.#root;
    this.#members =
      groups?.get(this.#groupId)?.filter((member) => member.pid !== this.#groupId && !isOlder(member, first)) ?? [];
    if (this.#members.length > 0) await this.#signal(this.#killedMs === Infinity ? "SIGTERM" : "SIGKILL");
    return this.#members.length > 0;
  }

  /**
   * Returns whether only zombies remain, which the init process of many containers never reaps. Always false where
   * processes cannot be listed.
   */
  async #hasOnlyZombies(): Promise<boolean> {
    if (this.#root || this.#watch.processes.isRunning(this.#groupId)) return false;
    const groups = await Promise.race([this.#watch.groupsSince(performance.now()), this.#wakeUp()]);
    return groups !== undefined && !groups.has(this.#groupId);
  }

  /** Waits until the next poll, or until SIGKILL is due. */
  async #pause(pollMs: number): Promise<void> {
    const ms = Math.max(pollMs, this.#watch.pollPauseMs);
    const leftMs = this.#killedMs === Infinity ? Math.max(MIN_POLL_MS, this.#killAtMs - performance.now()) : Infinity;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const elapsed = new Promise<void>((resolve) => timer = setTimeout(resolve, Math.min(ms, leftMs)));
    await Promise.race([elapsed, this.#wakeUp()]);
    clearTimeout(timer);
  }

  /** Settles when SIGKILL is brought forward. */
  #wakeUp(): Promise<undefined> {
    return new Promise((resolve) => this.#wake = () => resolve(undefined));
  }
}

/** Compares by pid within a clock tick, in which pids increase. */
function isOlder(one: RunningProcess, other: RunningProcess): boolean {
  return one.startTicks < other.startTicks || (one.startTicks === other.startTicks && one.pid < other.pid);
}
