/** Runs attempts in long-lived shells, one for each slot. @module */

import type { SpawnAdapter } from "../../spawn_adapters/types.ts";
import type { Task } from "../../records/task.ts";
import { randomHex } from "../../system/random_hex.ts";
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
/** The limit of that pause, in which a task can print gigabytes: a busy machine may interrupt a check for a second. */
const MAX_POLL_PAUSE_MS = 500;
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
  /** The launcher while it runs. */
  #runningLauncher: Launcher | undefined;
  /** False once the launcher could not start a shell: further attempts to route running shells would fail, too. */
  #hasRoom = true;
  /** The first slot with a shell. */
  #firstSlot: number | undefined;
  /** The shell whose descriptors the launcher takes over. */
  #launcherShell: ShellWorker | undefined;
  // Arrays, because V8 may keep deleted entries of a `Map` or `Set` until the next full garbage collection.
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
      isReady: (worker) => isReady() && !this.#shouldRoute(worker),
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
      const worker = current && !this.#shouldRoute(current) ? current : await this.#replaceShell(slot, current);
      await this.#learnCapabilities(worker);
      return worker.isUsable ? worker : undefined;
    } catch {
      return undefined; // without a worker, the attempt runs in its own process
    }
  }

  /** Returns true for a shell of the runner when the launcher could have started it. */
  #shouldRoute({ isRouted }: ShellWorker): boolean {
    return !isRouted && this.#hasRoom && this.#runningLauncher?.isUsable === true && this.#mayRoute;
  }

  /** True when shells of the launcher and the runner have the same environment: it is known, or the shell is dash. */
  get #mayRoute(): boolean {
    return this.#environment.isKnown || this.#context.capabilities?.runsPlainCommands === true;
  }

  /** Starts a shell for a slot, in the place of a usable one if there is one. */
  async #replaceShell(slot: number, current: ShellWorker | undefined): Promise<ShellWorker> {
    // The first slot does not wait for the launcher, which a run in one slot does not need.
    const isFirst = slot === (this.#firstSlot ??= slot);
    const launcher = isFirst ? this.#runningLauncher : await this.#findLauncher();
    const set = (worker: ShellWorker) => {
      if (current) this.#dismiss(current);
      this.#shells.set(slot, worker);
    };
    return await this.#startShell((directory) => this.#openShell(launcher, directory), set);
  }

  /** Starts the launcher, unless it is running. Returns `undefined` where there is none. */
  async #findLauncher(): Promise<Launcher | undefined> {
    if (!this.#context.programs) return undefined;
    const launcher = await (this.#launcher ??= this.#startLauncher().catch(() => undefined));
    if (!launcher?.isUsable) this.#context.programs = undefined;
    return launcher?.isUsable ? launcher : undefined;
  }

  /** Opens a starter for a slot. Without one, attempts run in shells. */
  async #prepareProgram(slot: number): Promise<ProgramWorker | undefined> {
    const launcher = await this.#findLauncher();
    if (!launcher) return undefined;
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
    const shell = await this.#startShell(
      (directory) => this.#spawnShell(directory),
      (shell) => this.#launcherShell = shell,
    );
    try {
      await this.#learnCapabilities(shell);
      const directory = this.#scratch.reserveForProgram();
      return this.#runningLauncher = await Launcher.start({ shell, program, directory, sendSignal });
    } catch (error) {
      shell.retire();
      throw error;
    } finally {
      shell.directory.remove(); // outputs are in the directories of the starters
    }
  }

  /**
   * Makes a shell a worker.
   *
   * @param start Starts the shell.
   * @param onStarted Called before the shell is a worker.
   */
  async #startShell(
    start: (directory: WorkerDirectory) => Promise<ShellWorker>,
    onStarted: (worker: ShellWorker) => void,
  ): Promise<ShellWorker> {
    if (performance.now() < this.#noWorkersBeforeMs) throw new Error("Cannot start a worker: the shell is unusable");
    const directory = this.#scratch.reserve();
    try {
      const worker = await start(directory);
      onStarted(worker);
      if (this.#isClosed) worker.retire();
      await worker.prepare(this.#environment);
      return worker;
    } catch (error) {
      directory.remove();
      this.#noteFailure(error);
      throw error;
    }
  }

  /** Starts no worker for some time when the shell cannot be one. */
  #noteFailure(error: unknown): void {
    if (error instanceof UnusableShellError) this.#noWorkersBeforeMs = performance.now() + UNUSABLE_SHELL_MS;
  }

  /** Starts a shell as a child of the launcher or, where that is impossible, of this program. */
  async #openShell(launcher: Launcher | undefined, directory: WorkerDirectory): Promise<ShellWorker> {
    const { shell, sendSignal, guardGroup } = this.#options;
    if (!launcher?.isUsable || !this.#mayRoute) return await this.#spawnShell(directory);
    const token = randomHex(12);
    try {
      const command = { shell, token, variables: this.#environment.startup };
      const worker = await launcher.openShell(
        command,
        (connection) => new ShellWorker(connection, directory, sendSignal, token),
      );
      directory.nameAfter(worker.pid);
      guardGroup(worker.pid, worker.ended);
      return worker;
    } catch {
      this.#hasRoom = false;
      return await this.#spawnShell(directory);
    }
  }

  async #spawnShell(directory: WorkerDirectory): Promise<ShellWorker> {
    const { adapter, shell, sendSignal, pacer } = this.#options;
    const options = { adapter: await adapter(), shell, directory, environment: this.#environment, sendSignal };
    return await pacer.start(() => ShellWorker.spawn(options));
  }

  async #learnCapabilities(worker: ShellWorker): Promise<void> {
    this.#context.capabilities = await (this.#capabilities ??= this.#probeShell(worker));
  }

  #probeShell(worker: ShellWorker): Promise<ShellCapabilities> {
    return probeShell(worker, this.#options.shell).catch((error) => {
      this.#capabilities = undefined; // so that the next worker probes the shell again
      this.#noteFailure(error);
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
    const pauseMs = POLL_PAUSE_FACTOR * (performance.now() - startedMs);
    this.#pollTimer = setTimeout(() => this.#pollRunning(), Math.min(Math.max(POLL_MS, pauseMs), MAX_POLL_PAUSE_MS));
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
