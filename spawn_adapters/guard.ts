/** Ends the processes of a program that has ended without doing so itself. @module */

import process from "node:process";
import { setTimeout } from "node:timers";
import { isPermitted } from "../system/deno_permissions.ts";
import { GUARD_SCRIPT } from "./guard_script.ts";
import type { ChildProcess, SpawnAdapter, SpawnOptions } from "./types.ts";

/**
 * What leads a process group: a `task` that is over when its leader is, or a `worker`, a shell that carries out one
 * attempt after another and ends by itself once its standard input does.
 */
export type GroupKind = "task" | "worker";

/** Options of {@linkcode ProcessGuard}. */
export interface ProcessGuardOptions {
  /** Finds the way to start a process. */
  adapter: () => SpawnAdapter | Promise<SpawnAdapter>;
  /**
   * The POSIX shell that watches the program.
   *
   * @default {"sh"}
   */
  shell?: string | undefined;
  /** Returns the beginnings of the paths to remove when the program has ended. */
  removes?: (() => readonly string[]) | undefined;
}

/** Replaces the environment, because a bash that is `sh` takes functions named `read` or `kill` from it. */
const START_SCRIPT = 'exec env -i PATH="$PATH" "$0" -c "$1" taskrunner-guard';
/** Takes away what could keep even {@linkcode START_SCRIPT} from running. */
const START_ENVIRONMENT = { BASH_ENV: "", ENV: "", SHELLOPTS: "" };

/** The shortest time between two attempts to start a guard. */
const RESTART_MS = 1_000;
/** How long a guard may take to end once it has been asked to, before it is killed: it may have been stopped. */
const CLOSE_MS = 2_000;

/**
 * Ends process groups when this program has gone, however it went: a shell reads from a pipe which groups there are, and
 * when the pipe ends, it sends SIGTERM to what is left of them, and SIGKILL within a second.
 *
 * The shell is started after the first process, nothing waits for it, and tasks run without it where it cannot be started.
 * A process started in the instant before the program is killed can be missed. A shell that is killed is replaced.
 */
export class ProcessGuard {
  readonly #options: ProcessGuardOptions;
  /** The groups whose leaders have not been reaped. */
  readonly #groups = new Map<number, GroupKind>();
  #guard: Promise<ChildProcess | undefined> | undefined;
  /** What it has not been sent yet. */
  #lines = "";
  #startedMs = -Infinity;
  #isClosed = false;

  /** Makes a guard. Nothing is started before the first process is. */
  constructor(options: ProcessGuardOptions) {
    this.#options = options;
  }

  /** Returns the way to start processes that lead groups of this kind. */
  adapterFor(kind: GroupKind): () => Promise<SpawnAdapter> {
    let guarded: SpawnAdapter | undefined;
    return async () => {
      if (guarded) return guarded;
      const adapter = await this.#options.adapter();
      const { name, canSignal } = adapter;
      return guarded = { name, canSignal, spawn: (options) => this.#spawn(adapter, options, kind) };
    };
  }

  /** Ends the shell without ending any group. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const guard = await this.#guard;
    if (!guard) return;
    guard.stdin!.write("end\n");
    guard.stdin!.close();
    const { promise: timeout, resolve } = Promise.withResolvers<void>();
    // The timer also keeps the program alive until then, which the shell alone does not.
    const timer = setTimeout(() => {
      kill(guard.pid);
      resolve();
    }, CLOSE_MS);
    await Promise.race([guard.exited, timeout]);
    clearTimeout(timer);
  }

  async #spawn(adapter: SpawnAdapter, options: SpawnOptions, kind: GroupKind): Promise<ChildProcess> {
    const spawned = adapter.spawn(options);
    this.#watch(adapter);
    const child = await spawned;
    this.#groups.set(child.pid, kind);
    this.#tell(`${kind} ${child.pid}\n`);
    const forget = () => {
      this.#groups.delete(child.pid);
      this.#tell(`gone ${child.pid}\n`);
    };
    child.exited.then(forget, forget);
    return child;
  }

  /**
   * Sends what many processes that are started at once have to say in one write: of small ones a pipe holds fewer than two
   * hundred, and what the shell has not received when the program is killed is lost.
   */
  #tell(line: string): void {
    if (this.#lines === "") process.nextTick(() => this.#flush());
    this.#lines += line;
  }

  #flush(): void {
    const lines = this.#lines;
    this.#lines = "";
    this.#guard?.then((guard) => guard?.stdin?.write(lines)).catch(() => {}); // its successor gets the whole list
  }

  /** Starts the shell, unless there is one or it was tried a moment ago. */
  #watch(adapter: SpawnAdapter): void {
    if (this.#sinceStartMs >= RESTART_MS) this.#startGuard(adapter);
  }

  #startGuard(adapter: SpawnAdapter): void {
    if (this.#guard || this.#isClosed) return;
    this.#startedMs = performance.now();
    this.#guard = this.#start(adapter).catch(() => {
      this.#watchAgain(adapter);
      return undefined;
    });
  }

  #watchAgain(adapter: SpawnAdapter): void {
    this.#guard = undefined;
    const watch = () => {
      if (this.#groups.size > 0) this.#startGuard(adapter); // a timer can go off a little before its time
    };
    setTimeout(watch, RESTART_MS - this.#sinceStartMs).unref();
  }

  get #sinceStartMs(): number {
    return performance.now() - this.#startedMs;
  }

  async #start(adapter: SpawnAdapter): Promise<ChildProcess> {
    const { shell = "sh", removes } = this.#options;
    const guard = await adapter.spawn({
      program: shell,
      args: ["-c", START_SCRIPT, shell, GUARD_SCRIPT],
      env: START_ENVIRONMENT,
      stdin: "piped",
      stderr: "null",
    });
    guard.unref?.();
    guard.stdout.cancel();
    // Not as arguments: whoever sees a process could learn a name from these, and be the first to use it.
    const files = (removes?.() ?? []).filter((path) => !path.includes("\n")).map((path) => `file ${path}\n`);
    const groups = [...this.#groups].map(([group, kind]) => `${kind} ${group}\n`);
    guard.stdin!.write([...files, ...groups].join(""));
    const replace = () => {
      if (!this.#isClosed) this.#watchAgain(adapter);
    };
    guard.exited.then(replace, replace);
    return guard;
  }
}

function kill(pid: number): void {
  try {
    if (isPermitted({ name: "run" })) process.kill(pid, "SIGKILL");
  } catch {
    // It has just ended.
  }
}
