/** Carries out attempts in long-lived shells, one for each slot. @module */

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

/** What a {@linkcode ShellExecutor} needs to know. */
export interface ShellExecutorOptions
  extends Omit<ShellContext, "worker" | "capabilities" | "dismiss" | "running" | "startProcess"> {
  /** Carries out what no worker can. */
  processes: Executor;
  /** Finds the way to start a process. */
  adapter: () => SpawnAdapter | Promise<SpawnAdapter>;
  /** Says when a shell may be started. */
  pacer: StartPacer;
  /** What the name of the directory for the output of what runs begins with. */
  temporaryPrefix: string | undefined;
}

/** How often it is seen how much a task has printed, and whether there is room for it. */
const POLL_MS = 100;
/** The least pause after a look at all running tasks, in multiples of its cost: thousands of tasks take a while. */
const POLL_PAUSE_FACTOR = 10;
/** The time without workers after a shell that could not be one: finding that out again costs each attempt seconds. */
const UNUSABLE_SHELL_MS = 60_000;

/**
 * Hands each attempt to the worker of its slot. A plain command runs in a subshell of the worker, an array as a process
 * of it, any other command as a `sh -c` that the worker starts. What needs more goes to the executor for processes.
 */
export class ShellExecutor implements Executor {
  readonly reportsStart = true;
  readonly reportsOutput = true;
  readonly #options: ShellExecutorOptions;
  readonly #context: ShellContext;
  readonly #scratch: ScratchDirectory;
  readonly #environment: WorkerEnvironment = workerEnvironment();
  /** By slot. */
  readonly #workers = new Map<number, ShellWorker>();
  /** Workers that are being made ready, by slot. */
  readonly #starting = new Map<number, Promise<ShellWorker | undefined>>();
  readonly #running = new Set<ShellExecution>();
  /** Slots whose worker is in use, or about to be. */
  readonly #busySlots = new Set<number>();
  #capabilities: Promise<ShellCapabilities> | undefined;
  #pollTimer: ReturnType<typeof setTimeout> | undefined;
  /** No worker is started before, by `performance.now()`. */
  #noWorkersBeforeMs = -Infinity;
  #isClosed = false;

  constructor(options: ShellExecutorOptions) {
    this.#options = options;
    this.#scratch = new ScratchDirectory(options.temporaryPrefix, scratchLocations(options.maxOutputBytes));
    this.#context = {
      ...options,
      capabilities: undefined,
      worker: (slot) => this.#worker(slot),
      dismiss: (worker) => this.#dismiss(worker),
      startProcess: (attempt, callbacks) => this.#startProcess(attempt, callbacks),
      running: this.#running,
    };
  }

  start(attempt: Attempt, callbacks: AttemptCallbacks): Execution {
    if (!this.#environment.isUsable || needsProcess(attempt)) {
      return this.#startProcess(attempt, callbacks);
    }
    this.#pollTimer ??= setTimeout(() => this.#pollRunning(), POLL_MS);
    const { slot } = attempt;
    this.#busySlots.add(slot);
    const execution = new ShellExecution(attempt, callbacks, this.#context);
    const release = () => {
      this.#busySlots.delete(slot);
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
    this.#scratch.close();
    for (const worker of this.#workers.values()) worker.retire();
    await Promise.all(this.#starting.values());
    await Promise.all([...this.#workers.values()].map(({ ended }) => ended));
    await this.#options.processes.close();
  }

  /** The worker of a slot, at once when it is ready. */
  #worker(slot: number): ShellWorker | Promise<ShellWorker | undefined> {
    const starting = this.#starting.get(slot);
    if (starting) return starting;
    const current = this.#workers.get(slot);
    const isUsable = current?.isUsable && current.directory.hasSpace;
    if (isUsable && this.#context.capabilities) return current;
    if (current && !isUsable) this.#dismiss(current);
    const ready = this.#prepareWorker(slot, isUsable ? current : undefined).catch((error) => {
      // Without a worker the attempt runs in a process of its own.
      if (error instanceof UnusableShellError) this.#noWorkersBeforeMs = performance.now() + UNUSABLE_SHELL_MS;
      return undefined;
    }).finally(() => this.#starting.delete(slot));
    this.#starting.set(slot, ready);
    return ready;
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
      this.#capabilities = undefined; // the next one may live longer
      throw error;
    });
  }

  /** Starts a process. Workers without a task must not keep the descriptors or processes that it lacks. */
  #startProcess(attempt: Attempt, callbacks: AttemptCallbacks): Execution {
    const execution = this.#options.processes.start(attempt, callbacks);
    const relieve = ({ ending }: AttemptResult) => {
      if (ending.kind === "no-resources") this.#dismissIdleWorkers();
    };
    execution.ended.then(relieve, () => {}); // who has started it sees the error
    return execution;
  }

  #dismissIdleWorkers(): void {
    for (const [slot, worker] of this.#workers) {
      if (!this.#busySlots.has(slot) && !this.#starting.has(slot)) this.#dismiss(worker);
    }
  }

  #dismiss(worker: ShellWorker): void {
    worker.directory.remove();
    worker.retire();
  }

  /** Looks at what has been running for a while. */
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
 * Returns whether a task needs what no worker can do: set any variable, `exec` a program whose name begins like an option, and say why it cannot be
 * started when an argument is too long.
 */
function needsProcess({ task: { cmd, env: taskEnv }, env }: Attempt): boolean {
  const isPlain = (env: Task["env"]) => env === undefined || Object.keys(env).every(isPlainVariable);
  if (!isPlain(env) || !isPlain(taskEnv)) return true;
  return typeof cmd !== "string" && (cmd[0]!.startsWith("-") || cmd.some(exceedsArgumentLimit));
}
