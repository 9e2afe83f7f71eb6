/** Runs attempts in long-lived shells, one for each slot. @module */

import type { SpawnAdapter } from "../../spawn_adapters/types.ts";
import type { Task } from "../../records/task.ts";
import { discardOutput } from "../output.ts";
import { isPlainVariable } from "./plain_command.ts";
import { ScratchDirectory, scratchLocations } from "./scratch_directory.ts";
import { type ShellContext, ShellExecution } from "./execution.ts";
import { type WorkerEnvironment, workerEnvironment } from "./environment.ts";
import { exceedsArgumentLimit } from "./script.ts";
import { probeShell, type ShellCapabilities } from "./probe.ts";
import { ShellWorker, UnusableShellError } from "./worker.ts";
import type { StartPacer } from "../start_pacer.ts";
import type { Attempt, AttemptCallbacks, AttemptResult, Execution, Executor } from "../../pool/executor.ts";

/** Options of {@linkcode ShellExecutor}. */
export interface ShellExecutorOptions
  extends Omit<ShellContext, "worker" | "busyWorker" | "capabilities" | "dismiss" | "running" | "startProcess"> {
  /** Runs attempts that no worker can run. */
  processes: Executor;
  /** Returns the adapter that starts processes. */
  adapter: () => SpawnAdapter | Promise<SpawnAdapter>;
  /** Delays starts of shells. */
  pacer: StartPacer;
  /** The prefix for the names of scratch directories. */
  temporaryPrefix: string | undefined;
}

/** Interval between two checks of running attempts. */
const POLL_MS = 100;
/** The shortest pause between checks, as a multiple of their duration: thousands of attempts take a while. */
const POLL_PAUSE_FACTOR = 10;
/** The time without workers after a shell failed as a worker: each new trial would delay an attempt by seconds. */
const UNUSABLE_SHELL_MS = 60_000;

/**
 * Runs each attempt in the worker of its slot: a plain command in a subshell of the worker, an array as a child process,
 * and any other command with `sh -c`. Attempts that no worker can run go to the process executor.
 */
export class ShellExecutor implements Executor {
  readonly reportsStart = true;
  readonly reportsOutput = true;
  readonly queuesAttempts = true;
  readonly #options: ShellExecutorOptions;
  readonly #context: ShellContext;
  readonly #scratch: ScratchDirectory;
  readonly #environment: WorkerEnvironment = workerEnvironment();
  /** Workers by slot. */
  readonly #workers = new Map<number, ShellWorker>();
  /** Workers that are starting, by slot. */
  readonly #starting = new Map<number, Promise<ShellWorker | undefined>>();
  readonly #running = new Set<ShellExecution>();
  /** The last attempt of each slot, until it has ended. */
  readonly #latest = new Map<number, Execution>();
  #capabilities: Promise<ShellCapabilities> | undefined;
  #pollTimer: ReturnType<typeof setTimeout> | undefined;
  /** The time before which no worker starts, by `performance.now()`. */
  #noWorkersBeforeMs = -Infinity;
  #isClosed = false;

  constructor(options: ShellExecutorOptions) {
    this.#options = options;
    this.#scratch = new ScratchDirectory(options.temporaryPrefix, scratchLocations(options.maxOutputBytes));
    this.#context = {
      ...options,
      capabilities: undefined,
      worker: (slot) => this.#worker(slot),
      busyWorker: (slot) => this.#busyWorker(slot),
      dismiss: (worker) => this.#dismiss(worker),
      startProcess: (attempt, callbacks) => this.#startProcess(attempt, callbacks),
      running: this.#running,
    };
  }

  start(attempt: Attempt, callbacks: AttemptCallbacks): Execution {
    const { slot } = attempt;
    const previous = this.#latest.get(slot);
    const needsOwn = !this.#environment.isUsable || needsProcess(attempt);
    let execution: Execution;
    if (needsOwn && !previous) execution = this.#startProcess(attempt, callbacks);
    else {
      this.#pollTimer ??= setTimeout(() => this.#pollRunning(), POLL_MS);
      const start = { previous, needsProcess: needsOwn };
      const shellExecution = execution = new ShellExecution(attempt, callbacks, this.#context, start);
      if (previous instanceof ShellExecution) previous.next = shellExecution;
    }
    this.#latest.set(slot, execution);
    const release = () => {
      if (this.#latest.get(slot) === execution) this.#latest.delete(slot);
    };
    execution.ended.then(release, release);
    return execution;
  }

  discard({ stdout, stderr }: AttemptResult): Promise<void> {
    return discardOutput(stdout, stderr);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#pollTimer);
    for (const worker of this.#workers.values()) {
      worker.retire();
      worker.awaitExit();
    }
    // A worker that has not read a withdrawn attempt would begin it without its directory.
    await Promise.allSettled([...this.#latest.values()].map(({ ended }) => ended));
    await Promise.all([this.#scratch.close(), ...this.#starting.values()]);
    await Promise.all([...this.#workers.values()].map(({ ended }) => ended));
    await this.#options.processes.close();
  }

  /** Returns the worker of a slot, synchronously when it is ready. */
  #worker(slot: number): ShellWorker | Promise<ShellWorker | undefined> {
    const starting = this.#starting.get(slot);
    if (starting) return starting;
    const current = this.#workers.get(slot);
    const isUsable = current?.isUsable && current.directory.hasSpace;
    if (isUsable && this.#context.capabilities) return current;
    if (current && !isUsable) this.#dismiss(current);
    const ready = this.#prepareWorker(slot, isUsable ? current : undefined).catch((error) => {
      // Without a worker, the attempt runs in its own process.
      if (error instanceof UnusableShellError) this.#noWorkersBeforeMs = performance.now() + UNUSABLE_SHELL_MS;
      return undefined;
    }).finally(() => this.#starting.delete(slot));
    this.#starting.set(slot, ready);
    return ready;
  }

  #busyWorker(slot: number): ShellWorker | undefined {
    const worker = this.#workers.get(slot);
    const canQueue = worker?.isUsable && worker.isBusy && worker.directory.hasSpace && this.#context.capabilities;
    return canQueue && !this.#starting.has(slot) ? worker : undefined;
  }

  async #prepareWorker(slot: number, current: ShellWorker | undefined): Promise<ShellWorker | undefined> {
    if (performance.now() < this.#noWorkersBeforeMs) return undefined;
    const worker = current ?? await this.#startWorker(slot);
    this.#context.capabilities = await (this.#capabilities ??= this.#probeShell(worker));
    return worker.isUsable ? worker : undefined;
  }

  async #startWorker(slot: number): Promise<ShellWorker> {
    const { adapter, shell, sendSignal, pacer } = this.#options;
    const directory = this.#scratch.reserve();
    const environment = this.#environment;
    try {
      const options = { adapter: await adapter(), shell, directory, environment, sendSignal };
      const worker = await pacer.start(() => ShellWorker.spawn(options));
      this.#workers.set(slot, worker);
      if (this.#isClosed) worker.retire();
      await worker.prepare(environment);
      return worker;
    } catch (error) {
      directory.remove();
      throw error;
    }
  }

  #probeShell(worker: ShellWorker): Promise<ShellCapabilities> {
    return probeShell(worker, this.#options.shell).catch((error) => {
      this.#capabilities = undefined; // so that the next worker probes the shell again
      throw error;
    });
  }

  /** Starts an attempt in its own process. When the system lacks resources, dismisses idle workers. */
  #startProcess(attempt: Attempt, callbacks: AttemptCallbacks): Execution {
    const execution = this.#options.processes.start(attempt, callbacks);
    const relieve = ({ ending }: AttemptResult) => {
      if (ending.kind === "no-resources") this.#dismissIdleWorkers();
    };
    execution.ended.then(relieve, () => {}); // the owner of the execution handles the error
    return execution;
  }

  #dismissIdleWorkers(): void {
    for (const [slot, worker] of this.#workers) {
      if (!this.#latest.has(slot) && !this.#starting.has(slot)) this.#dismiss(worker);
    }
  }

  #dismiss(worker: ShellWorker): void {
    worker.retire();
    worker.whenIdle(() => worker.directory.remove());
  }

  /** Checks all attempts that have been running for {@linkcode POLL_MS}, and schedules the next check. */
  #pollRunning(): void {
    const startedMs = performance.now();
    for (const execution of this.#running) {
      if (execution.startedMs < startedMs - POLL_MS) execution.poll();
    }
    const pauseMs = Math.max(POLL_MS, POLL_PAUSE_FACTOR * (performance.now() - startedMs));
    this.#pollTimer = setTimeout(() => this.#pollRunning(), pauseMs);
  }
}

/**
 * Returns whether no worker can run the attempt: shells cannot set all variables, cannot `exec` a program whose name
 * begins with a dash, and do not all report an argument that is too long.
 */
function needsProcess({ task: { cmd, env: taskEnv }, env }: Attempt): boolean {
  const isPlain = (env: Task["env"]) => env === undefined || Object.keys(env).every(isPlainVariable);
  if (!isPlain(env) || !isPlain(taskEnv)) return true;
  return typeof cmd !== "string" && (cmd[0]!.startsWith("-") || cmd.some(exceedsArgumentLimit));
}
