/** Carries out attempts in long-lived shells, one for each slot. @module */

import type { SpawnAdapter } from "../spawn_adapters/types.ts";
import type { Task } from "../task.ts";
import { discardOutput } from "./output.ts";
import { isPlainVariable } from "./plain_command.ts";
import { ScratchDirectory, scratchPlaces } from "./scratch_directory.ts";
import { type ShellContext, ShellExecution } from "./shell_execution.ts";
import { learnTraits, type ShellTraits } from "./shell_traits.ts";
import { ShellWorker } from "./shell_worker.ts";
import type { Attempt, AttemptEnd, Execution, Executor } from "./types.ts";

/** What a {@linkcode ShellExecutor} needs to know. */
export interface ShellExecutorOptions extends Omit<ShellContext, "worker" | "traits" | "dismiss" | "running"> {
  /** Finds the way to start a process. */
  adapter: () => SpawnAdapter | Promise<SpawnAdapter>;
  /** What the name of the directory for the output of what runs begins with. */
  temporaryPrefix: string | undefined;
}

/** How often it is seen how much a task has printed, and whether there is room for it. */
const LOOK_MS = 100;

/**
 * Hands each attempt to the worker of its slot. A plain command runs in a subshell of the worker, an array as a process
 * of it, any other command as a `sh -c` that the worker starts. What needs more goes to the executor for processes.
 */
export class ShellExecutor implements Executor {
  readonly #options: ShellExecutorOptions;
  readonly #context: ShellContext;
  readonly #scratch: ScratchDirectory;
  /** By slot. */
  readonly #workers = new Map<number, ShellWorker>();
  readonly #running = new Set<ShellExecution>();
  #traits: Promise<ShellTraits> | undefined;
  #outputTimer: ReturnType<typeof setInterval> | undefined;

  constructor(options: ShellExecutorOptions) {
    this.#options = options;
    this.#scratch = new ScratchDirectory(options.temporaryPrefix, scratchPlaces(options.maxOutputBytes));
    this.#context = {
      ...options,
      traits: undefined,
      worker: (slot) => this.#worker(slot),
      dismiss: (worker) => this.#dismiss(worker),
      running: this.#running,
    };
  }

  start(attempt: Attempt, onOutputLimit: () => void): Execution {
    if (needsProcess(attempt.task)) return this.#options.processes.start(attempt, onOutputLimit);
    this.#outputTimer ??= setInterval(() => this.#watchOutput(), LOOK_MS);
    return new ShellExecution(attempt, onOutputLimit, this.#context);
  }

  discard({ stdout, stderr }: AttemptEnd): Promise<void> {
    return discardOutput(stdout, stderr);
  }

  async close(): Promise<void> {
    clearInterval(this.#outputTimer);
    this.#scratch.close();
    const workers = [...this.#workers.values()];
    for (const worker of workers) worker.retire();
    await Promise.all(workers.map(({ ended }) => ended));
    await this.#options.processes.close();
  }

  async #worker(slot: number): Promise<ShellWorker | undefined> {
    const current = this.#workers.get(slot);
    const isUsable = current?.isUsable && current.directory.hasRoom;
    if (isUsable && this.#context.traits) return current;
    if (current && !isUsable) this.#dismiss(current);
    try {
      const worker = isUsable ? current : await this.#startWorker(slot);
      this.#context.traits = await (this.#traits ??= this.#learnTraits(worker));
      return worker.isUsable ? worker : undefined;
    } catch {
      return undefined;
    }
  }

  async #startWorker(slot: number): Promise<ShellWorker> {
    const { adapter, shell, sendSignal } = this.#options;
    const directory = this.#scratch.plan();
    try {
      const worker = await ShellWorker.start(await adapter(), shell, directory, sendSignal);
      this.#workers.set(slot, worker);
      return worker;
    } catch (error) {
      directory.remove();
      throw error;
    }
  }

  #learnTraits(worker: ShellWorker): Promise<ShellTraits> {
    return learnTraits(worker, this.#options.shell).catch((error) => {
      this.#traits = undefined; // the next one may live longer
      throw error;
    });
  }

  #dismiss(worker: ShellWorker): void {
    worker.directory.remove();
    worker.retire();
  }

  /** Looks at what has been running for a while. */
  #watchOutput(): void {
    const beforeMs = performance.now() - LOOK_MS;
    for (const execution of this.#running) {
      if (execution.startedMs < beforeMs) execution.watchOutput();
    }
  }
}

/** What no shell can do: set any variable, and `exec` a program whose name begins like an option. */
function needsProcess({ cmd, env }: Task): boolean {
  if (env !== undefined && !Object.keys(env).every(isPlainVariable)) return true;
  return typeof cmd !== "string" && cmd[0]!.startsWith("-");
}
