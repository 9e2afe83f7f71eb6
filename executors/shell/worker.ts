/** A long-lived shell that runs one attempt after another. @module */

import { randomHex } from "../../system/random_hex.ts";
import { encodeByteText } from "../../text/byte_text.ts";
import { drain } from "../drain.ts";
import type { SendSignal } from "../send_signal.ts";
import type { ChildProcess, ExitStatus, SpawnAdapter } from "../../spawn_adapters/types.ts";
import type { WorkerDirectory } from "./scratch_directory.ts";
import type { WorkerEnvironment } from "./environment.ts";
import { RETIREMENT_SCRIPT, workerScript } from "./script.ts";
import { type WorkerReport, WorkerReportReader } from "./worker_report.ts";

/** The report of one attempt, with the CPU times of that attempt alone. */
export type AttemptReport = WorkerReport;

/** The end of a worker, or a violation of its protocol, during an attempt. */
export interface WorkerExit {
  /** The exit status of the shell; `undefined` after a violation. */
  exit: ExitStatus | undefined;
  /** The reason for which the runner killed the shell. */
  reason?: string;
}

/** The shell cannot be a worker. Another process of the same shell would fail, too. */
export class UnusableShellError extends Error {
  override name = "UnusableShellError";
}

/** The time for a shell to start and to answer a probe. */
const ANSWER_MS = 10_000;
/** The time for a retired worker to exit, before SIGCONT and again before SIGKILL. */
const RETIREMENT_MS = 2_000;
/** The longest wait after SIGKILL: a process that hangs in the kernel must not block the run. */
const REAP_MS = 2_000;
/** Interval of SIGCONT to a busy worker: a task may have stopped its worker, as with `kill -STOP $PPID`. */
const WAKE_MS = 1_000;

/** Options of {@linkcode ShellWorker.spawn}. */
export interface WorkerOptions {
  adapter: SpawnAdapter;
  /** A path, or a name to look up in `PATH`. */
  shell: string;
  directory: WorkerDirectory;
  environment: WorkerEnvironment;
  sendSignal: SendSignal;
}

/** Callbacks of {@linkcode ShellWorker.run}. */
export interface RunCallbacks {
  /** Called when the command of the script begins, with the uptime of Linux where the shell can read it. */
  onBegin?: ((uptimeMs: number | undefined) => void) | undefined;
  /** Called at the report of the script before, if there is one: from then on, the worker runs this script. */
  onTurn?: (() => void) | undefined;
}

/** A script without a report. */
interface PendingRun extends RunCallbacks {
  resolve: (outcome: AttemptReport | WorkerExit) => void;
}

/** A shell that reads scripts from its standard input and reports on its standard output, the channel. */
export class ShellWorker {
  readonly directory: WorkerDirectory;
  /** Settles when the shell has exited. Never rejects. */
  readonly ended: Promise<ExitStatus>;
  readonly #child: ChildProcess;
  readonly #sendSignal: SendSignal;
  readonly #token = randomHex(12);
  readonly #reader = new WorkerReportReader(this.#token);
  #isRetired = false;
  #hasEnded = false;
  /** True during a probe, while no process of a task is in the group. */
  #isProbing = false;
  /** Set once further reports are ignored. */
  #exit: WorkerExit | undefined;
  #bytesRead = 0;
  #number = 0;
  #line = 1;
  /** CPU times of all reports so far. */
  #userMs = 0;
  #systemMs = 0;
  /** The time since which the worker owes a report or its exit, by `performance.now()`. */
  #busySinceMs = Infinity;
  #retirementTimer: ReturnType<typeof setTimeout> | undefined;
  /** The scripts without a report, in their order. */
  readonly #pending: PendingRun[] = [];
  #onIdle: (() => void) | undefined;

  private constructor(child: ChildProcess, directory: WorkerDirectory, sendSignal: SendSignal) {
    this.#child = child;
    this.directory = directory;
    this.#sendSignal = sendSignal;
    const waker = setInterval(() => {
      if (performance.now() - this.#busySinceMs > WAKE_MS) this.#signal("SIGCONT");
    }, WAKE_MS);
    this.ended = child.exited.then((exit) => {
      clearInterval(waker);
      clearTimeout(this.#retirementTimer);
      this.#hasEnded = true;
      return exit;
    });
    // An error on the channel kills the shell, so that nobody waits for a report that cannot arrive.
    const read = this.#read().catch((error) => this.kill(`its reports cannot be read: ${error}`));
    const cancel = () => child.stdout.cancel();
    this.ended.then(() => drain({ ended: read, bytesRead: () => this.#bytesRead, cancel })).catch(() => {});
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
    return new ShellWorker(child, directory, sendSignal);
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

  /** The id of the process and of its group. */
  get pid(): number {
    return this.#child.pid;
  }

  /** True when the worker can run another script. */
  get isUsable(): boolean {
    return !this.#isRetired && !this.#hasEnded && this.#exit === undefined;
  }

  /** True while a script has no report. */
  get isBusy(): boolean {
    return this.#pending.length > 0;
  }

  /** The number that the next script must report. */
  get nextNumber(): number {
    return this.#number + 1;
  }

  /** The line number at which the next script begins. */
  get nextLine(): number {
    return this.#line;
  }

  /** Returns whether a text is the token, which only the worker can have written. */
  hasSigned(text: string | undefined): boolean {
    return text === `${this.#token}\n`;
  }

  /** Runs a script, after the scripts before it, and returns its report. */
  run(script: string, callbacks: RunCallbacks = {}): Promise<AttemptReport | WorkerExit> {
    if (this.#exit) return Promise.resolve(this.#exit);
    this.#number++;
    this.#reader.expect(this.#number);
    if (!this.isBusy) this.#busySinceMs = performance.now();
    this.#write(script);
    return new Promise((resolve) => this.#pending.push({ ...callbacks, resolve }));
  }

  /** Calls a function once all scripts have a report: at once, if there is none without. */
  whenIdle(callback: () => void): void {
    if (this.isBusy) this.#onIdle = callback;
    else callback();
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

  /** Asks the worker to exit after its last script, and kills the worker if it does not. */
  retire(): void {
    if (this.#isRetired) return;
    this.#isRetired = true;
    this.#busySinceMs = performance.now();
    this.#write(RETIREMENT_SCRIPT);
    this.#child.stdin!.close();
    if (!this.isBusy) this.awaitExit();
    else if (this.#isProbing) this.kill("it is no longer needed");
  }

  /** Kills a retired worker that does not exit soon. Must not be called while a task runs. */
  awaitExit(): void {
    if (this.#hasEnded) return;
    this.#retirementTimer ??= setTimeout(() => {
      this.#signal("SIGCONT");
      this.#retirementTimer = setTimeout(() => this.#signal("SIGKILL"), RETIREMENT_MS);
    }, RETIREMENT_MS);
  }

  /**
   * Kills the shell and ignores its reports. The caller must terminate the processes of the task. Pending runs settle
   * when the channel ends, so that an earlier report of the start still counts.
   */
  kill(reason: string): void {
    if (this.#exit) return;
    this.#exit = { exit: undefined, reason };
    this.#isRetired = true;
    this.#signal("SIGKILL");
    setTimeout(() => this.#child.stdout.cancel(), REAP_MS);
  }

  /** Signals the shell, and its group only during a probe: later, tasks may have left processes in the group. */
  #signal(signal: "SIGCONT" | "SIGKILL"): void {
    if (this.#hasEnded) return;
    const send = async (pid: number) => this.#hasEnded || await this.#sendSignal(pid, signal);
    const isSent = this.#isProbing ? send(-this.pid) : Promise.resolve(false);
    // A shell that is still starting has no group yet. Without permission to signal, the timeouts of the caller apply.
    isSent.then((isSent) => isSent || send(this.pid)).catch(() => {});
  }

  #write(script: string): void {
    for (let end = script.indexOf("\n"); end !== -1; end = script.indexOf("\n", end + 1)) this.#line++;
    this.#child.stdin!.write(script.isWellFormed() ? script : encodeByteText(script));
  }

  async #read(): Promise<void> {
    for (;;) {
      const bytes = await this.#child.stdout.read();
      if (!bytes) break;
      this.#bytesRead += bytes.length;
      for (const event of this.#reader.push(bytes)) {
        if (event.kind === "begin") this.#pending[0]?.onBegin?.(event.uptimeMs);
        else if (event.kind === "violation") this.kill(event.reason);
        else if (!this.#exit) this.#settle(this.#attemptTimes(event.report));
      }
    }
    const exit = this.#exit ??= { exit: await this.ended };
    for (const { resolve } of this.#pending.splice(0)) resolve(exit);
    this.#becomeIdle();
  }

  /** Returns the report with the CPU times of its attempt alone. */
  #attemptTimes(report: WorkerReport): AttemptReport {
    const userMs = Math.max(0, report.userMs - this.#userMs);
    const systemMs = Math.max(0, report.systemMs - this.#systemMs);
    [this.#userMs, this.#systemMs] = [report.userMs, report.systemMs];
    return { ...report, userMs, systemMs };
  }

  /** Passes a report on to its run. */
  #settle(report: AttemptReport): void {
    this.#pending.shift()?.resolve(report);
    const next = this.#pending[0];
    if (!next) return this.#becomeIdle();
    this.#busySinceMs = performance.now();
    next.onTurn?.();
  }

  #becomeIdle(): void {
    if (this.#isRetired) this.awaitExit();
    else this.#busySinceMs = Infinity;
    this.#onIdle?.();
    this.#onIdle = undefined;
  }
}
