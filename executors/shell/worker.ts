/** A shell that is started once and carries out one attempt after another. @module */

import { randomBytes } from "node:crypto";
import { drain } from "../drain.ts";
import type { SendSignal } from "../send_signal.ts";
import type { ChildProcess, ExitStatus, SpawnAdapter } from "../../spawn_adapters/types.ts";
import type { WorkerDirectory } from "./scratch_directory.ts";
import type { WorkerEnvironment } from "./environment.ts";
import { RETIREMENT_SCRIPT, workerScript } from "./script.ts";
import { type WorkerReport, WorkerReportReader } from "./worker_report.ts";

/** The report of one attempt, with CPU times of that attempt alone. */
export type AttemptReport = WorkerReport;

/** A worker that has ended, or can no longer be trusted, while an attempt ran. */
export interface WorkerExit {
  /** The exit status of its shell; `undefined` when it is not known. */
  exit: ExitStatus | undefined;
  /** Why the worker was given up, when its shell did not end by itself. */
  reason?: string;
}

/** The worker did what no shell does that can be a worker. Another one of the same shell would, too. */
export class UnusableShellError extends Error {
  override name = "UnusableShellError";
}

/** The longest time for what every shell does at once: to start, and to answer a probe. */
const ANSWER_MS = 10_000;
/** The time for a worker without work to end, and again after it was told to go on: it may be stopped. */
const RETIREMENT_MS = 2_000;
/** The longest time from SIGKILL to the end. A process that hangs in the kernel must not hold a run for ever. */
const REAP_MS = 2_000;
/** How often it is told to go on: a task can stop its own, as with `kill -STOP $PPID`, and nobody else would wake it. */
const WAKE_MS = 1_000;

/** Options of {@linkcode ShellWorker.spawn}. */
export interface WorkerOptions {
  adapter: SpawnAdapter;
  /** A path, or a name that is looked up in `PATH`. */
  shell: string;
  directory: WorkerDirectory;
  environment: WorkerEnvironment;
  sendSignal: SendSignal;
}

/** A shell that reads scripts from its standard input. */
export class ShellWorker {
  readonly directory: WorkerDirectory;
  /** Settles when the shell has ended. Never rejects. */
  readonly ended: Promise<ExitStatus>;
  readonly #child: ChildProcess;
  readonly #sendSignal: SendSignal;
  readonly #token = randomBytes(12).toString("hex");
  readonly #reader = new WorkerReportReader(this.#token);
  #isRetired = false;
  #hasEnded = false;
  /** Nothing of a task is in its group yet. */
  #isProbing = false;
  /** Set when no more reports are taken. */
  #exit: WorkerExit | undefined;
  #bytesRead = 0;
  #number = 0;
  #line = 1;
  /** CPU time of everything it has reported. */
  #userMs = 0;
  #systemMs = 0;
  /** Since when something is expected of it, by `performance.now()`. */
  #busySinceMs = Infinity;
  #retirementTimer: ReturnType<typeof setTimeout> | undefined;
  #resolve: ((outcome: AttemptReport | WorkerExit) => void) | undefined;
  #onBegin: ((uptimeMs: number | undefined) => void) | undefined;

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

  /** Starts a shell, which leads a process group of its own. It is a worker when it is {@linkcode prepare}d. */
  static async spawn({ adapter, shell, directory, environment, sendSignal }: WorkerOptions): Promise<ShellWorker> {
    // The first shell gives way to a second, which has its name as it was given (Deno hands on a path) and one output.
    const child = await adapter.spawn({
      program: shell,
      args: ["-c", 'exec "$0" 2>&1', shell],
      env: environment.startup,
      stdin: "piped",
      stderr: "null",
    });
    directory.nameAfter(child.pid);
    return new ShellWorker(child, directory, sendSignal);
  }

  /**
   * Makes a worker of the shell. Its directory is made when the shell is there to remove it, also if this program is killed
   * in that moment.
   *
   * @throws {UnusableShellError} when the shell cannot be a worker. In any case it is ended when this rejects.
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
      const { status } = await this.probe(script);
      if (status !== 0) throw new UnusableShellError("The size of files is limited, and that of output is not");
      this.directory.make();
    } catch (error) {
      this.retire();
      throw error;
    }
  }

  /** The id of its process and of its process group. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Whether it can be given another script. */
  get isUsable(): boolean {
    return !this.#isRetired && !this.#hasEnded && this.#exit === undefined;
  }

  /** The number that the next script has to report. */
  get nextNumber(): number {
    return this.#number + 1;
  }

  /** The line on which the next script begins, as the shell counts them. */
  get nextLine(): number {
    return this.#line;
  }

  /** Returns whether the worker itself, which alone knows its token, has written a text. */
  hasSigned(text: string | undefined): boolean {
    return text === `${this.#token}\n`;
  }

  /**
   * Runs a script to its report. Not before the one before has been reported.
   *
   * @param onBegin called when the worker says that the command of the script begins, and how long Linux has been up then.
   */
  run(script: string, onBegin?: (uptimeMs: number | undefined) => void): Promise<AttemptReport | WorkerExit> {
    if (this.#exit) return Promise.resolve(this.#exit);
    this.#number++;
    this.#reader.expect(this.#number);
    this.#onBegin = onBegin;
    this.#busySinceMs = performance.now();
    this.#write(script);
    return new Promise((resolve) => this.#resolve = resolve);
  }

  /**
   * Runs a script that every shell reports at once.
   *
   * @throws {UnusableShellError} when there is no report in time, or it is malformed.
   */
  async probe(script: string): Promise<AttemptReport> {
    this.#isProbing = true;
    const timer = setTimeout(() => this.kill("it does not answer"), ANSWER_MS);
    try {
      const report = await this.run(script);
      if ("status" in report) return report;
      if (report.exit?.signal) throw new Error(`The shell was ended by ${report.exit.signal}`);
      throw new UnusableShellError(`It is no shell that can be a worker: ${report.reason ?? "it has ended"}`);
    } finally {
      clearTimeout(timer);
      this.#isProbing = false;
    }
  }

  /** Lets it end when it has nothing more to do, and ends it when it does not. */
  retire(): void {
    if (this.#isRetired) return;
    this.#isRetired = true;
    this.#busySinceMs = performance.now();
    this.#write(RETIREMENT_SCRIPT);
    this.#child.stdin!.close();
    if (this.#resolve === undefined) this.#awaitRetirement();
    else if (this.#isProbing) this.kill("it is not wanted any more");
  }

  /**
   * Ends the shell, and takes no report of it any more. What a task has started is for the caller to end. The attempt under
   * way ends when the shell has, so that it is known whether its command has begun.
   */
  kill(reason: string): void {
    if (this.#exit) return;
    this.#exit = { exit: undefined, reason };
    this.#isRetired = true;
    this.#signal("SIGKILL");
    setTimeout(() => this.#child.stdout.cancel(), REAP_MS);
  }

  #awaitRetirement(): void {
    if (this.#hasEnded) return;
    this.#retirementTimer ??= setTimeout(() => {
      this.#signal("SIGCONT");
      this.#retirementTimer = setTimeout(() => this.#signal("SIGKILL"), RETIREMENT_MS);
    }, RETIREMENT_MS);
  }

  /** Signals the shell, whose id is taken until it is reaped, and not what tasks have left in its group. */
  #signal(signal: "SIGCONT" | "SIGKILL"): void {
    if (this.#hasEnded) return;
    // Without permission nothing can be done.
    this.#sendSignal(this.#isProbing ? -this.pid : this.pid, signal).catch(() => {});
  }

  #write(script: string): void {
    for (let end = script.indexOf("\n"); end !== -1; end = script.indexOf("\n", end + 1)) this.#line++;
    this.#child.stdin!.write(script);
  }

  async #read(): Promise<void> {
    for (;;) {
      const bytes = await this.#child.stdout.read();
      if (!bytes) break;
      this.#bytesRead += bytes.length;
      for (const event of this.#reader.push(bytes)) {
        if (event.kind === "begin") this.#onBegin?.(event.uptimeMs);
        else if (event.kind === "violation") this.kill(event.reason);
        else if (!this.#exit) this.#settle(this.#attemptTimes(event.report));
      }
    }
    this.#settle(this.#exit ??= { exit: await this.ended });
  }

  /** The report with the CPU times of its own attempt. */
  #attemptTimes(report: WorkerReport): AttemptReport {
    const userMs = Math.max(0, report.userMs - this.#userMs);
    const systemMs = Math.max(0, report.systemMs - this.#systemMs);
    [this.#userMs, this.#systemMs] = [report.userMs, report.systemMs];
    return { ...report, userMs, systemMs };
  }

  #settle(outcome: AttemptReport | WorkerExit): void {
    if (this.#isRetired) this.#awaitRetirement();
    else this.#busySinceMs = Infinity;
    this.#resolve?.(outcome);
    this.#resolve = undefined;
  }
}
