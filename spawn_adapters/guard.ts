/** Cleans up the processes of a program that was killed before it could do so itself. @module */

import process from "node:process";
import { setTimeout } from "node:timers";
import { isPermitted } from "../system/deno_permissions.ts";
import { GUARD_SCRIPT } from "./guard_script.ts";
import type { ChildProcess, SpawnAdapter, SpawnOptions } from "./types.ts";

/**
 * The kind of a process group: a `task`, which ends with its leader, or a `worker`, whose leader is a shell that runs
 * one attempt after another and exits at the end of its standard input.
 */
export type GroupKind = "task" | "worker";

/** Options of {@linkcode ProcessGuard}. */
export interface ProcessGuardOptions {
  /** Returns the adapter that starts processes. */
  adapter: () => SpawnAdapter | Promise<SpawnAdapter>;
  /**
   * The POSIX shell that runs the guard.
   *
   * @default {"sh"}
   */
  shell?: string | undefined;
  /** Returns prefixes of paths. Before it exits, the guard removes every path that starts with one of them. */
  removePrefixes?: (() => readonly string[]) | undefined;
}

/** Clears the environment, from which bash, even as `sh`, would import functions named `read` or `kill`. */
const START_SCRIPT = 'exec env -i PATH="$PATH" "$0" -c "$1" taskrunner-guard';
/** Overrides the variables that could prevent even {@linkcode START_SCRIPT} from running. */
const START_ENVIRONMENT = { BASH_ENV: "", ENV: "", SHELLOPTS: "" };

/** Minimum interval between two attempts to start a guard. */
const RESTART_MS = 1_000;
/** Grace period after which a guard that was asked to exit is killed, because a stopped process cannot exit. */
const CLOSE_MS = 2_000;

/**
 * Ends the process groups of this program when the program ends, even by SIGKILL. A separate shell, the guard, reads
 * the ids of the groups from a pipe. When the pipe closes, the guard sends SIGTERM to the groups that are left, and
 * SIGKILL about a second later.
 *
 * The guard starts after the first process. Tasks do not wait for it, and run even if it cannot be started. A process
 * that starts just before the program is killed may be missed. A guard that is killed is replaced.
 */
export class ProcessGuard {
  readonly #options: ProcessGuardOptions;
  /** Groups whose leaders are running or not yet reaped. */
  readonly #groups = new Map<number, GroupKind>();
  #guard: Promise<ChildProcess | undefined> | undefined;
  /** Changes that were not yet sent to the guard. */
  #pendingChanges = "";
  #startedMs = -Infinity;
  #isClosed = false;

  /** Creates a guard. Its shell starts with the first process. */
  constructor(options: ProcessGuardOptions) {
    this.#options = options;
  }

  /** Returns an adapter whose processes are guarded as leaders of groups of this kind. */
  adapterFor(kind: GroupKind): () => Promise<SpawnAdapter> {
    let guarded: SpawnAdapter | undefined;
    return async () => {
      if (guarded) return guarded;
      const adapter = await this.#options.adapter();
      const { name, canSignal } = adapter;
      return guarded = { name, canSignal, spawn: (options) => this.#spawn(adapter, options, kind) };
    };
  }

  /** Guards a group that another process has started, until its leader has ended. */
  add(group: number, kind: GroupKind, ended: Promise<unknown>): void {
    this.#groups.set(group, kind);
    this.#send(`${kind} ${group}\n`);
    const forget = () => {
      this.#groups.delete(group);
      this.#send(`gone ${group}\n`);
    };
    ended.then(forget, forget);
  }

  /** Stops the guard and leaves the groups running. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const guard = await this.#guard;
    if (!guard) return;
    guard.stdin!.write("end\n");
    guard.stdin!.close();
    const { promise: timeout, resolve } = Promise.withResolvers<void>();
    // The timer also keeps the program alive until the guard, which is unreferenced, has exited.
    const timer = setTimeout(() => {
      kill(guard.pid);
      resolve();
    }, CLOSE_MS);
    await Promise.race([guard.exited, timeout]);
    clearTimeout(timer);
  }

  async #spawn(adapter: SpawnAdapter, options: SpawnOptions, kind: GroupKind): Promise<ChildProcess> {
    const spawned = adapter.spawn(options);
    this.#ensureGuard(adapter);
    const child = await spawned;
    this.add(child.pid, kind, child.exited);
    return child;
  }

  /**
   * Sends a change to the guard. Changes in the same tick are batched: a pipe holds fewer than two hundred small
   * writes, and whatever is not in the pipe when the program is killed is lost.
   */
  #send(change: string): void {
    if (this.#pendingChanges === "") process.nextTick(() => this.#flush());
    this.#pendingChanges += change;
  }

  #flush(): void {
    const changes = this.#pendingChanges;
    this.#pendingChanges = "";
    this.#guard?.then((guard) => guard?.stdin?.write(changes)).catch(() => {}); // the next guard gets the complete list
  }

  /** Starts the guard unless one is running or a start was tried within {@linkcode RESTART_MS}. */
  #ensureGuard(adapter: SpawnAdapter): void {
    if (this.#sinceStartMs >= RESTART_MS) this.#startGuard(adapter);
  }

  #startGuard(adapter: SpawnAdapter): void {
    if (this.#guard || this.#isClosed) return;
    this.#startedMs = performance.now();
    this.#guard = this.#start(adapter).catch(() => {
      this.#scheduleRestart(adapter);
      return undefined;
    });
  }

  #scheduleRestart(adapter: SpawnAdapter): void {
    this.#guard = undefined;
    const restart = () => {
      if (this.#groups.size > 0) this.#startGuard(adapter); // without a check of the time, as a timer can fire early
    };
    // Node warns of a negative delay.
    setTimeout(restart, Math.max(0, RESTART_MS - this.#sinceStartMs)).unref();
  }

  get #sinceStartMs(): number {
    return performance.now() - this.#startedMs;
  }

  async #start(adapter: SpawnAdapter): Promise<ChildProcess> {
    const { shell = "sh", removePrefixes } = this.#options;
    const guard = await adapter.spawn({
      program: shell,
      args: ["-c", START_SCRIPT, shell, GUARD_SCRIPT],
      env: START_ENVIRONMENT,
      stdin: "piped",
      stderr: "null",
    });
    guard.unref?.();
    guard.stdout.cancel();
    // Not as arguments: another user could read a path there, and create that path first.
    const files = (removePrefixes?.() ?? []).filter((path) => !path.includes("\n")).map((path) => `file ${path}\n`);
    const groups = [...this.#groups].map(([group, kind]) => `${kind} ${group}\n`);
    guard.stdin!.write([...files, ...groups].join(""));
    const onExit = () => {
      if (!this.#isClosed) this.#scheduleRestart(adapter);
    };
    guard.exited.then(onExit, onExit);
    return guard;
  }
}

function kill(pid: number): void {
  try {
    if (isPermitted({ name: "run" })) process.kill(pid, "SIGKILL");
  } catch {
    // The process has just ended.
  }
}
