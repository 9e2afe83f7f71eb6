/** Runs attempts in long-lived shells, one for each slot. @module */

import type { SpawnAdapter } from "../../spawn_adapters/types.ts";
import type { Task } from "../../records/task.ts";
import { discardOutput } from "../output.ts";
import { isPlainVariable } from "./plain_command.ts";
import { ScratchDirectory, scratchLocations, type WorkerDirectory } from "./scratch_directory.ts";
import { type ShellContext, ShellExecution } from "./execution.ts";
import type { Launcher } from "./launcher/launcher.ts";
import { canLaunch, nativeProgram } from "./launcher/native_program.ts";
import type { ProgramWorker } from "./launcher/program_worker.ts";
import { SlotWorkers } from "./slot_workers.ts";
import { type WorkerEnvironment, workerEnvironment } from "./environment.ts";
import { exceedsArgumentLimit } from "./script.ts";
import { probeShell, type ShellCapabilities } from "./probe.ts";
import { ShellWorker, UnusableShellError } from "./worker.ts";
import type { StartPacer } from "../start_pacer.ts";
import type { Attempt, AttemptCallbacks, AttemptResult, Execution, Executor } from "../../pool/executor.ts";

/** Options of {@linkcode ShellExecutor}. */
export interface ShellExecutorOptions
  extends Omit<ShellContext, "shells" | "programs" | "capabilities" | "dismiss" | "running" | "startProcess"> {
  /** Runs attempts that no worker can run. */
  processes: Executor;
  /** Returns the adapter that starts processes. */
  adapter: () => SpawnAdapter | Promise<SpawnAdapter>;
  /** Delays starts of shells. */
  pacer: StartPacer;
  /** Has the process group of a worker terminated when this program dies before the worker has ended. */
  guardGroup: (group: number, ended: Promise<unknown>) => void;
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
  readonly #shells: SlotWorkers<ShellWorker>;
  readonly #programs: SlotWorkers<ProgramWorker>;
  /** The launcher, once a task needs it; `undefined` where it cannot run. */
  #launcher: Promise<Launcher | undefined> | undefined;
  /** The shell whose descriptors the launcher takes over. */
  #launcherShell: ShellWorker | undefined;
  // Arrays, because V8 can keep what a `Map` or `Set` has lost until the next full garbage collection.
  /** The attempts that workers are running, by slot. */
  readonly #running: (ShellExecution | undefined)[] = [];
  /** The last attempt of each slot, until it has ended. */
  readonly #latest: (Execution | undefined)[] = [];
  #capabilities: Promise<ShellCapabilities> | undefined;
  #pollTimer: ReturnType<typeof setTimeout> | undefined;
  /** The time before which no worker starts, by `performance.now()`. */
  #noWorkersBeforeMs = -Infinity;
  #isClosed = false;

  constructor(options: ShellExecutorOptions) {
    this.#options = options;
    this.#scratch = new ScratchDirectory(options.temporaryPrefix, scratchLocations(options.maxOutputBytes));
    const isReady = () => this.#context.capabilities !== undefined;
    const dismiss = (worker: ShellWorker | ProgramWorker) => this.#dismiss(worker);
    this.#shells = new SlotWorkers<ShellWorker>({
      prepare: (slot, worker) => this.#prepareShell(slot, worker),
      isReady,
      dismiss,
    });
    this.#programs = new SlotWorkers<ProgramWorker>({
      prepare: (slot) => this.#prepareProgram(slot),
      isReady,
      dismiss,
    });
    this.#context = {
      ...options,
      capabilities: undefined,
      shells: this.#shells,
      programs: canLaunch() ? this.#programs : undefined,
      dismiss,
      startProcess: (attempt, callbacks) => this.#startProcess(attempt, callbacks),
      running: this.#running,
    };
  }

  start(attempt: Attempt, callbacks: AttemptCallbacks): Execution {
    const { slot } = attempt;
    const previous = this.#latest[slot];
    const needsOwn = !this.#environment.isUsable || needsProcess(attempt);
    let execution: Execution;
    if (needsOwn && !previous) execution = this.#startProcess(attempt, callbacks);
    else {
      this.#pollTimer ??= setTimeout(() => this.#pollRunning(), POLL_MS);
      const start = { previous, needsProcess: needsOwn };
      const shellExecution = execution = new ShellExecution(attempt, callbacks, this.#context, start);
      if (previous instanceof ShellExecution) previous.next = shellExecution;
    }
    this.#latest[slot] = execution;
    const release = () => {
      if (this.#latest[slot] === execution) this.#latest[slot] = undefined;
      if (execution instanceof ShellExecution) execution.next = undefined; // for the garbage collector
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
    const workers = () => [...this.#shells.values(), ...this.#programs.values()];
    for (const worker of workers()) {
      worker.retire();
      worker.awaitExit();
    }
    // A worker that has not read a withdrawn attempt would begin it without its directory.
    await Promise.allSettled(this.#latest.flatMap((execution) => execution?.ended ?? []));
    await Promise.all([this.#shells.settled(), this.#programs.settled()]);
    (await this.#launcher)?.close();
    await this.#scratch.close();
    await Promise.all([...workers().map(({ ended }) => ended), this.#launcherShell?.ended]);
    await this.#options.processes.close();
  }

  async #prepareShell(slot: number, current: ShellWorker | undefined): Promise<ShellWorker | undefined> {
    try {
      if (performance.now() < this.#noWorkersBeforeMs) return undefined;
      const worker = current ?? await this.#startShell((worker) => this.#shells.set(slot, worker));
      await this.#learnCapabilities(worker);
      return worker.isUsable ? worker : undefined;
    } catch (error) {
      // Without a worker, the attempt runs in its own process.
      if (error instanceof UnusableShellError) this.#noWorkersBeforeMs = performance.now() + UNUSABLE_SHELL_MS;
      return undefined;
    }
  }

  /** Opens a starter for a slot. Without one, attempts run in shells. */
  async #prepareProgram(slot: number): Promise<ProgramWorker | undefined> {
    const launcher = await (this.#launcher ??= this.#startLauncher().catch(() => undefined));
    if (!launcher?.isUsable) {
      this.#context.programs = undefined;
      return undefined;
    }
    let directory: WorkerDirectory | undefined;
    try {
      directory = this.#scratch.reserve();
      const worker = await launcher.open(directory);
      this.#programs.set(slot, worker);
      this.#options.guardGroup(worker.pid, worker.ended);
      if (this.#isClosed) worker.retire();
      return worker;
    } catch {
      directory?.remove();
      return undefined;
    }
  }

  async #startLauncher(): Promise<Launcher> {
    const { sendSignal } = this.#options;
    const [{ Launcher }, program] = await Promise.all([import("./launcher/launcher.ts"), nativeProgram()]);
    const shell = await this.#startShell((shell) => this.#launcherShell = shell);
    try {
      await this.#learnCapabilities(shell);
      return await Launcher.start({ shell, program, directory: this.#scratch.reserveForProgram(), sendSignal });
    } catch (error) {
      shell.retire();
      throw error;
    } finally {
      shell.directory.remove(); // outputs are in the directories of the starters
    }
  }

  /** @param onSpawned Called before the shell is a worker. */
  async #startShell(onSpawned?: (worker: ShellWorker) => void): Promise<ShellWorker> {
    const { adapter, shell, sendSignal, pacer } = this.#options;
    const directory = this.#scratch.reserve();
    const environment = this.#environment;
    try {
      const options = { adapter: await adapter(), shell, directory, environment, sendSignal };
      const worker = await pacer.start(() => ShellWorker.spawn(options));
      onSpawned?.(worker);
      if (this.#isClosed) worker.retire();
      await worker.prepare(environment);
      return worker;
    } catch (error) {
      directory.remove();
      throw error;
    }
  }

  async #learnCapabilities(worker: ShellWorker): Promise<void> {
    this.#context.capabilities = await (this.#capabilities ??= this.#probeShell(worker));
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
    for (const workers of [this.#shells, this.#programs]) workers.dismissIdle((slot) => !this.#latest[slot]);
  }

  #dismiss(worker: ShellWorker | ProgramWorker): void {
    worker.retire();
    worker.whenIdle(() => worker.directory.remove());
  }

  /** Checks all attempts that have been running for {@linkcode POLL_MS}, and schedules the next check. */
  #pollRunning(): void {
    const startedMs = performance.now();
    for (const execution of this.#running) {
      if (execution && execution.startedMs < startedMs - POLL_MS) execution.poll();
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
