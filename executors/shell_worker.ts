/** A shell that is started once and carries out one attempt after another. @module */

import type { SendSignal } from "../internal/send_signal.ts";
import type { ChildProcess, ExitStatus, SpawnAdapter } from "../spawn_adapters/types.ts";
import { parseReport, parseTimes, type Report, RETIREMENT_SCRIPT, workerScript } from "./shell_script.ts";
import type { WorkerDirectory } from "./scratch_directory.ts";

/** How an attempt ended, as its worker reports it. */
export interface AttemptReport extends Omit<Report, "times"> {
  /** CPU time of the attempt, in milliseconds. */
  userMs: number;
  systemMs: number;
}

/** A worker that has ended while an attempt ran. */
export interface WorkerDeath {
  exit: ExitStatus;
}

/** How long a worker that has ended may leave its output open, because something else has it. */
const GRACE_MS = 100;
/** How often it is told to go on: a task can stop its own, as with `kill -STOP $PPID`, and nobody else would wake it. */
const WAKE_MS = 1_000;

const decoder = new TextDecoder();

/** A shell that reads scripts from its standard input. */
export class ShellWorker {
  readonly directory: WorkerDirectory;
  /** Settles when the shell has ended. */
  readonly ended: Promise<ExitStatus>;
  readonly #child: ChildProcess;
  #isRetired = false;
  #hasEnded = false;
  /** Set when it has ended and no more reports can come. */
  #death: WorkerDeath | undefined;
  /** What it has written since the last report. */
  #text = "";
  #number = 0;
  #line = 1;
  /** CPU time of everything it has reported. */
  #times = "0m0s 0m0s";
  /** Since when something is expected of it, by `performance.now()`. */
  #owesSinceMs = Infinity;
  #resolve: ((outcome: AttemptReport | WorkerDeath) => void) | undefined;

  private constructor(child: ChildProcess, directory: WorkerDirectory, sendSignal: SendSignal) {
    this.#child = child;
    this.directory = directory;
    const waker = setInterval(() => {
      if (performance.now() - this.#owesSinceMs > WAKE_MS) sendSignal(child.pid, "SIGCONT").catch(() => {});
    }, WAKE_MS);
    this.ended = child.exited.then((exit) => {
      clearInterval(waker);
      this.#hasEnded = true;
      return exit;
    });
    this.#read();
  }

  /**
   * Starts a shell. It leads a process group of its own. Its directory is made when the shell is there to remove it, also
   * if this program is killed in that moment. Rejects when either cannot be done.
   */
  static async start(
    adapter: SpawnAdapter,
    shell: string,
    directory: WorkerDirectory,
    sendSignal: SendSignal,
  ): Promise<ShellWorker> {
    // The first shell gives way to a second, which has its name as it was given (Deno hands on a path) and one output.
    const args = ["-c", 'exec "$0" 2>&1', shell];
    const child = await adapter.spawn({ program: shell, args, stdin: "piped", stderr: "null" });
    directory.nameAfter(child.pid);
    const worker = new ShellWorker(child, directory, sendSignal);
    try {
      const report = await worker.run(workerScript(worker.nextNumber, directory.path, directory.parent));
      if ("exit" in report) throw new Error("It is no shell that can be a worker");
      if (report.status !== 0) throw new Error("The size of files is limited, and that of output is not");
      directory.make();
      return worker;
    } catch (error) {
      worker.retire();
      throw error;
    }
  }

  /** The id of its process and of its process group. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Whether it can be given another script. */
  get isUsable(): boolean {
    return !this.#isRetired && !this.#hasEnded;
  }

  /** The number that the next script has to report. */
  get nextNumber(): number {
    return this.#number + 1;
  }

  /** The line on which the next script begins, as the shell counts them. */
  get nextLine(): number {
    return this.#line;
  }

  /** Runs a script to its report. Not before the one before has been reported. */
  run(script: string): Promise<AttemptReport | WorkerDeath> {
    if (this.#death) return Promise.resolve(this.#death);
    this.#number++;
    this.#text = "";
    this.#owesSinceMs = performance.now();
    this.#write(script);
    return new Promise((resolve) => this.#resolve = resolve);
  }

  /** Lets it end when it has nothing more to do. */
  retire(): void {
    if (this.#isRetired) return;
    this.#isRetired = true;
    this.#owesSinceMs = performance.now();
    this.#write(RETIREMENT_SCRIPT);
    this.#child.stdin!.close();
  }

  #write(script: string): void {
    for (let end = script.indexOf("\n"); end !== -1; end = script.indexOf("\n", end + 1)) this.#line++;
    this.#child.stdin!.write(script);
  }

  async #read(): Promise<void> {
    const { stdout } = this.#child;
    this.ended.then(() => setTimeout(() => stdout.cancel(), GRACE_MS));
    for (;;) {
      const bytes = await stdout.read();
      if (!bytes) break;
      this.#text += decoder.decode(bytes);
      const report = parseReport(this.#text, this.#number);
      if (report) this.#settle(this.#outcomeOf(report));
    }
    this.#death = { exit: await this.ended };
    this.#settle(this.#death);
  }

  /** What a report says of its own attempt. */
  #outcomeOf({ status, stderrIsEmpty, messages, times }: Report): AttemptReport {
    let [userMs, systemMs] = [0, 0];
    if (times !== this.#times) {
      const [before, after] = [parseTimes(this.#times), parseTimes(times)];
      [userMs, systemMs] = [after[0] - before[0], after[1] - before[1]];
      this.#times = times;
    }
    return { status, stderrIsEmpty, messages, userMs, systemMs };
  }

  #settle(outcome: AttemptReport | WorkerDeath): void {
    if (!this.#isRetired) this.#owesSinceMs = Infinity;
    this.#resolve?.(outcome);
    this.#resolve = undefined;
  }
}
