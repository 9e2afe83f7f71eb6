/** A long-lived shell that runs one attempt after another. @module */

import { randomHex } from "../../system/random_hex.ts";
import type { SendSignal } from "../send_signal.ts";
import type { ExitStatus, SpawnAdapter } from "../../spawn_adapters/types.ts";
import type { WorkerDirectory } from "./scratch_directory.ts";
import type { WorkerEnvironment } from "./environment.ts";
import { RETIREMENT_SCRIPT, workerScript } from "./script.ts";
import { AttemptWorker, type RunCallbacks, WAKE_MS, type WorkerExit } from "./attempt_worker.ts";
import type { ExpectedReport, OutputPaths, RoutedEnd, ShellConnection } from "./shell_connection.ts";
import { SpawnedShell } from "./spawned_shell.ts";
import { type WorkerReport, WorkerReportReader } from "./worker_report.ts";

/** The report of one attempt, with the CPU times of that attempt alone. */
export interface AttemptReport extends WorkerReport {
  /** The additions of the router, for a child of the launcher. */
  end?: RoutedEnd | undefined;
}

/** The shell cannot be a worker. Another process of the same shell would fail, too. */
export class UnusableShellError extends Error {
  override name = "UnusableShellError";
}

/** The time for a shell to start and to answer a probe. */
const ANSWER_MS = 10_000;
/** The longest wait after SIGKILL: a process that hangs in the kernel must not block the run. */
const REAP_MS = 2_000;

/** Options of {@linkcode ShellWorker.spawn}. */
export interface WorkerOptions {
  adapter: SpawnAdapter;
  /** A path, or a name to look up in `PATH`. */
  shell: string;
  directory: WorkerDirectory;
  environment: WorkerEnvironment;
  sendSignal: SendSignal;
}

/** Takes the bytes of the channel after {@linkcode ShellWorker.handOver}. */
export interface ChannelOwner {
  onBytes(bytes: Uint8Array): void;
  /** Called when the channel has ended and the shell has exited. */
  onEnd(exit: ExitStatus): void;
}

/** A shell that reads scripts from its standard input and reports on its standard output, the channel. */
export class ShellWorker extends AttemptWorker<AttemptReport> {
  readonly isShellOfAttempt = false;
  /** Settles when the shell has exited. Never rejects. */
  readonly ended: Promise<ExitStatus>;
  readonly #shell: ShellConnection;
  readonly #sendSignal: SendSignal;
  readonly #token: string;
  readonly #reader: WorkerReportReader;
  /** True during a probe, while no process of a task is in the group. */
  #isProbing = false;
  #line = 1;
  /** CPU times of all reports so far. */
  #userMs = 0;
  #systemMs = 0;
  #channelOwner: ChannelOwner | undefined;

  /**
   * @param shell A fresh shell, which leads a process group. {@linkcode prepare} makes it a worker.
   * @param token The beginning of each control line of the shell.
   */
  constructor(shell: ShellConnection, directory: WorkerDirectory, sendSignal: SendSignal, token = randomHex(12)) {
    super(directory);
    this.#shell = shell;
    this.#sendSignal = sendSignal;
    this.#token = token;
    this.#reader = new WorkerReportReader(token);
    // The launcher wakes its shells itself, together with the router.
    const waker = shell.isRouted ? undefined : setInterval(() => this.wake(), WAKE_MS);
    this.ended = shell.exited.then((exit) => {
      clearInterval(waker);
      this.recordEnd();
      return exit;
    });
    shell.listen({
      onBytes: (bytes, end) => {
        if (this.#channelOwner) this.#channelOwner.onBytes(bytes);
        else this.#handleEvents(bytes, end);
      },
      onEnd: (exit) => {
        this.settleAll(exit);
        this.#channelOwner?.onEnd(exit);
      },
      // So that nobody waits for a report that cannot arrive.
      onError: (error) => this.kill(`its reports cannot be read: ${error}`),
    });
  }

  /** Starts a shell as the leader of a process group. {@linkcode prepare} makes it a worker. */
  static async spawn({ adapter, shell, directory, environment, sendSignal }: WorkerOptions): Promise<ShellWorker> {
    const child = await adapter.spawn({
      program: shell,
      args: [],
      env: environment.startup,
      stdin: "piped",
      stderr: "null",
      isWorker: true,
    });
    directory.nameAfter(child.pid);
    return new ShellWorker(new SpawnedShell(child), directory, sendSignal);
  }

  /**
   * Makes the shell a worker. The directory is created last, so that the shell can remove it when this program is killed.
   *
   * @throws {UnusableShellError} when the shell cannot be a worker. The shell is retired after every error.
   */
  async prepare({ restored }: WorkerEnvironment): Promise<void> {
    try {
      const { path, parent } = this.directory;
      const script = workerScript({
        number: this.nextNumber,
        token: this.#token,
        directory: path,
        parent,
        restored,
        isRouted: this.isRouted,
      });
      const { messages } = await this.probe(script);
      if (messages.split("\n").at(-1) !== "unlimited") {
        throw new UnusableShellError("Cannot use the shell as a worker: it limits the size of files");
      }
      this.directory.make();
    } catch (error) {
      this.retire();
      throw error;
    }
  }

  /** True for a child of the launcher. */
  get isRouted(): boolean {
    return this.#shell.isRouted;
  }

  /** The id of the process and of its group. */
  get pid(): number {
    return this.#shell.pid;
  }

  /** The line number at which the next script begins. */
  get nextLine(): number {
    return this.#line;
  }

  /** Returns whether a text is the token, which only the worker can have written. */
  hasSigned(text: string | undefined): boolean {
    return text === `${this.#token}\n`;
  }

  /**
   * Runs a script, after the scripts before it, and returns its report.
   *
   * @param outputs The outputs to return with the report, if that is possible.
   */
  run(script: string, callbacks: RunCallbacks = {}, outputs?: OutputPaths): Promise<AttemptReport | WorkerExit> {
    return this.addRun(callbacks, (number) => {
      this.#reader.expect(number);
      this.#write(script, { number, outputs });
    });
  }

  /**
   * Runs a script to which every usable shell answers quickly.
   *
   * @throws {UnusableShellError} when no valid report arrives in time.
   * @throws `Error` when a signal ended the shell.
   */
  async probe(script: string): Promise<AttemptReport> {
    this.#isProbing = true;
    const timer = setTimeout(() => this.kill("it does not answer"), ANSWER_MS);
    try {
      const report = await this.run(script);
      if ("status" in report) return report;
      if (report.exit?.signal) {
        throw new Error(`Cannot use the shell as a worker: ${report.exit.signal} ended the shell`);
      }
      throw new UnusableShellError(`Cannot use the shell as a worker: ${report.reason ?? "it exited"}`);
    } finally {
      clearTimeout(timer);
      this.#isProbing = false;
    }
  }

  /**
   * Runs a last script whose program takes over both descriptors. The shell must have no other script.
   *
   * @returns the writer to the standard input of the program, which must not be used before the program has written.
   */
  handOver(script: string, owner: ChannelOwner): (bytes: Uint8Array) => void {
    this.#channelOwner = owner;
    this.#write(RETIREMENT_SCRIPT + script);
    return (bytes) => this.#shell.write(bytes);
  }

  override retire(): void {
    super.retire();
    if (this.isBusy && this.#isProbing) this.kill("it is no longer needed");
  }

  override kill(reason: string): void {
    if (this.isExiting) return;
    super.kill(reason);
    setTimeout(() => this.#shell.cancel(), REAP_MS);
  }

  protected override requestExit(): void {
    if (!this.#channelOwner) this.#write(RETIREMENT_SCRIPT);
    this.#shell.closeInput();
  }

  /** Signals the shell, and its group only during a probe: later, tasks may have left processes in the group. */
  protected override signal(signal: "SIGCONT" | "SIGKILL"): void {
    if (this.hasEnded) return;
    const send = (pid: number) => this.hasEnded ? Promise.resolve(true) : this.#sendSignal(pid, signal);
    // A shell that is still starting has no group yet. Without permission to signal, the timeouts of the caller apply.
    (this.#isProbing ? send(-this.pid).then((isSent) => isSent || send(this.pid)) : send(this.pid)).catch(() => {});
  }

  #write(script: string, report?: ExpectedReport): void {
    for (let end = script.indexOf("\n"); end !== -1; end = script.indexOf("\n", end + 1)) this.#line++;
    this.#shell.write(script, report);
  }

  #handleEvents(bytes: Uint8Array, end: RoutedEnd | undefined): void {
    for (const event of this.#reader.push(bytes)) {
      if (event.kind === "begin") this.begin(event.uptimeMs);
      else if (event.kind === "violation") this.kill(event.reason);
      else if (!this.isExiting) {
        this.#shell.settle(this.nextNumber - this.pendingRuns, this.pendingRuns === 1);
        this.settle({ ...this.#attemptTimes(event.report), end });
      }
    }
  }

  /** Returns the report with the CPU times of its attempt alone. */
  #attemptTimes(report: WorkerReport): WorkerReport {
    const userMs = Math.max(0, report.userMs - this.#userMs);
    const systemMs = Math.max(0, report.systemMs - this.#systemMs);
    [this.#userMs, this.#systemMs] = [report.userMs, report.systemMs];
    return { ...report, userMs, systemMs };
  }
}
