/** Runs the launcher, a native program that starts the programs of all slots. @module */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { concatenate } from "../../../text/concatenate.ts";
import { shellQuote } from "../../../text/shell_quote.ts";
import { signalOfStatus } from "../../../system/signals.ts";
import type { ExitStatus } from "../../../spawn_adapters/types.ts";
import type { SendSignal } from "../../send_signal.ts";
import { WAKE_MS } from "../attempt_worker.ts";
import type { WorkerDirectory } from "../scratch_directory.ts";
import type { ShellWorker } from "../worker.ts";
import {
  LauncherProtocolError,
  type LauncherReport,
  LauncherReportReader,
  MAX_STARTERS,
  openCommand,
  openShellCommand,
  type ProgramReport,
  SECRET_BYTES,
  secretCommand,
  type ShellCommand,
  type ShellReport,
  waitStatus,
} from "./messages.ts";
import { ProgramWorker } from "./program_worker.ts";
import { RoutedShell } from "./routed_shell.ts";

/** The time without a report after which the start of the launcher, or the opening of a process, has failed. */
const ANSWER_MS = 10_000;

/** Options of {@linkcode Launcher.start}. */
export interface LauncherOptions {
  /** A shell without another script, whose descriptors the launcher takes over. */
  shell: ShellWorker;
  /** The native program. */
  program: Uint8Array;
  /** An empty directory for the program, which is removed as soon as the program runs. */
  directory: WorkerDirectory;
  sendSignal: SendSignal;
}

/** A child of the router. */
type Child = { worker: ProgramWorker; shell?: undefined } | { worker: ShellWorker; shell: RoutedShell };

/** A starter or a shell that is being opened. */
interface Opening {
  /** Called with the pid of the process. */
  onOpened: (pid: number) => Child;
  reject: (error: Error) => void;
}

/** The launcher, with its starters and shells. */
export class Launcher {
  readonly #shell: ShellWorker;
  readonly #sendSignal: SendSignal;
  readonly #secret = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  readonly #reader = new LauncherReportReader(this.#secret);
  readonly #write: (bytes: Uint8Array) => void;
  /** Commands for the next turn of the event loop: one write for all of them. */
  #outbox: Uint8Array[] = [];
  /** By the index of the process. */
  readonly #children = new Map<number, Child>();
  readonly #opening = new Map<number, Opening>();
  readonly #ready = Promise.withResolvers<void>();
  /** The pid of the router. */
  #routerPid: number | undefined;
  /** The time of the last report, by `performance.now()`. */
  #reportedMs = -Infinity;
  #isClosed = false;
  readonly #waker: ReturnType<typeof setInterval>;

  private constructor(shell: ShellWorker, script: string, sendSignal: SendSignal) {
    this.#shell = shell;
    this.#sendSignal = sendSignal;
    this.#write = shell.handOver(script, {
      onBytes: (bytes) => this.#handleBytes(bytes),
      onEnd: () => this.#end("the launcher ended"),
    });
    this.#waker = setInterval(() => this.#wake(), WAKE_MS);
  }

  /**
   * Starts the launcher. The shell remains its parent, and removes the directories of dead workers once it has
   * ended.
   *
   * @throws `Error` when the system cannot run the program.
   */
  static async start({ shell, program, directory, sendSignal }: LauncherOptions): Promise<Launcher> {
    let launcher: Launcher | undefined;
    try {
      directory.make();
      const path = join(directory.path, "launcher");
      writeFileSync(path, program, { mode: 0o700, flag: "wx" });
      // The shell must not read what follows as a script.
      launcher = new Launcher(shell, `${shellQuote(path)} $PPID; exit\n`, sendSignal);
      await launcher.#answer(launcher.#ready.promise);
      return launcher;
    } catch (error) {
      launcher?.close();
      throw error;
    } finally {
      directory.removeWithParent();
    }
  }

  /** True while the launcher can open processes. */
  get isUsable(): boolean {
    return !this.#isClosed;
  }

  /**
   * Opens a starter, whose directory gets the name of its pid.
   *
   * @throws `Error` when the system lacks resources, or when the launcher has ended.
   */
  async open(directory: WorkerDirectory): Promise<ProgramWorker> {
    const worker = await this.#open<ProgramWorker>(openCommand, (pid, index) => {
      const channel = { index, send: (message: Uint8Array) => this.#send(message), sendSignal: this.#sendSignal };
      return { worker: new ProgramWorker(pid, directory, channel) };
    });
    try {
      directory.nameAfter(worker.pid);
      directory.make();
      return worker;
    } catch (error) {
      worker.retire();
      throw error;
    }
  }

  /**
   * Opens a shell.
   *
   * @param create Creates the worker of the shell, which is not ready yet.
   * @throws `Error` when the system cannot run the shell, or when the launcher has ended.
   */
  openShell(command: ShellCommand, create: (shell: RoutedShell) => ShellWorker): Promise<ShellWorker> {
    return this.#open<ShellWorker>((index) => openShellCommand(index, command), (pid, index) => {
      const shell = new RoutedShell(pid, index, (message) => this.#send(message));
      return { worker: create(shell), shell };
    });
  }

  async #open<Worker extends Child["worker"]>(
    command: (index: number) => Uint8Array | undefined,
    create: (pid: number, index: number) => Child & { worker: Worker },
  ): Promise<Worker> {
    let index = 0;
    while (this.#children.has(index) || this.#opening.has(index)) index++;
    const message = command(index);
    if (!message || this.#isClosed || index >= MAX_STARTERS) {
      throw new Error("Cannot open a process: the launcher has ended or has too many processes");
    }
    const { promise, resolve, reject } = Promise.withResolvers<Worker>();
    let isAbandoned = false;
    const onOpened = (pid: number) => {
      const child = create(pid, index);
      if (isAbandoned) child.worker.retire();
      else resolve(child.worker);
      return child;
    };
    this.#opening.set(index, { onOpened, reject });
    this.#send(message);
    try {
      const worker = await this.#answer(promise);
      if (worker.isUsable) return worker;
      throw new Error("Cannot open a process: it has ended");
    } catch (error) {
      isAbandoned = true;
      throw error;
    }
  }

  /** Ends the launcher once its starters and shells have ended. */
  close(): void {
    this.#isClosed = true;
    setImmediate(() => {
      this.#flush();
      this.#shell.retire();
    });
  }

  /**
   * Returns a promised answer.
   *
   * @throws `Error` when the launcher reports nothing for {@linkcode ANSWER_MS}.
   */
  async #answer<T>(promise: Promise<T>): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const askedMs = performance.now();
    const timeout = new Promise<never>((_resolve, reject) => {
      const check = () => {
        const leftMs = Math.max(askedMs, this.#reportedMs) + ANSWER_MS - performance.now();
        if (leftMs > 0) timer = setTimeout(check, leftMs);
        else reject(new Error("Cannot use the launcher: it does not answer"));
      };
      check();
    });
    try {
      return await Promise.race([promise, timeout]);
    } finally {
      clearTimeout(timer);
    }
  }

  #send(message: Uint8Array): void {
    if (this.#outbox.push(message) > 1) return;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    const messages = this.#outbox;
    this.#outbox = [];
    if (messages.length > 0) this.#write(messages.length === 1 ? messages[0]! : concatenate(messages));
  }

  #handleBytes(bytes: Uint8Array): void {
    this.#reportedMs = performance.now();
    try {
      for (const report of this.#reader.push(bytes)) this.#handle(report);
    } catch (error) {
      this.#shell.kill((error as Error).message);
    }
  }

  #handle(report: LauncherReport): void {
    if (report.kind === "ready") {
      this.#routerPid = report.pid;
      this.#send(secretCommand(this.#secret));
      this.#ready.resolve();
    } else if (report.kind === "opened") this.#handleOpened(report);
    else if (report.kind === "died") this.#handleDeath(report);
    else this.#pass(report);
  }

  #pass(report: ProgramReport | ShellReport): void {
    const child = this.#children.get(report.starter);
    if (!child) return;
    const isOfShell = report.kind === "channel" || report.kind === "reported";
    if (isOfShell && child.shell) child.shell.handle(report);
    else if (!isOfShell && !child.shell) child.worker.handle(report);
    else throw new LauncherProtocolError("The launcher sent the report of another process");
  }

  #handleOpened({ starter: index, pid }: LauncherReport & { kind: "opened" }): void {
    const opening = this.#opening.get(index);
    if (!opening) return;
    this.#opening.delete(index);
    this.#children.set(index, opening.onOpened(pid));
  }

  /** Sends SIGCONT to processes whose report is overdue: a task may have stopped them. */
  #wake(): void {
    let isOverdue = false;
    for (const { worker } of this.#children.values()) isOverdue = worker.wake() || isOverdue;
    if (isOverdue && this.#routerPid !== undefined) this.#sendSignal(this.#routerPid, "SIGCONT").catch(() => {});
  }

  #handleDeath({ starter, status }: LauncherReport & { kind: "died" }): void {
    this.#opening.get(starter)?.reject(new Error("Cannot open a process: the system cannot start it"));
    this.#opening.delete(starter);
    const child = this.#children.get(starter);
    this.#children.delete(starter);
    (child?.shell ?? child?.worker)?.handleEnd(exitStatus(status));
  }

  #end(reason: string): void {
    this.#isClosed = true;
    clearInterval(this.#waker);
    this.#ready.reject(new Error(`Cannot start the launcher: ${reason}`));
    this.#ready.promise.catch(() => {}); // nobody waits for a launcher that has started
    for (const { reject } of this.#opening.values()) reject(new Error(`Cannot open a process: ${reason}`));
    this.#opening.clear();
    for (const { worker, shell } of this.#children.values()) {
      if (worker.isBusy) worker.kill(reason);
      (shell ?? worker).handleEnd({ code: null, signal: null });
    }
    this.#children.clear();
  }
}

function exitStatus(status: number | undefined): ExitStatus {
  const { code, signal } = (status === undefined ? undefined : waitStatus(status)) ?? { code: null, signal: null };
  return { code, signal: signal === null ? null : signalOfStatus(128 + signal) };
}
