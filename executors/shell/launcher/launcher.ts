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
  type LauncherReport,
  LauncherReportReader,
  MAX_STARTERS,
  openCommand,
  SECRET_BYTES,
  secretCommand,
  waitStatus,
} from "./messages.ts";
import { ProgramWorker } from "./program_worker.ts";

/** The time for the launcher to start, and to open a starter. */
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

/** A starter that is being opened. */
interface Opening {
  directory: WorkerDirectory;
  resolve: (worker: ProgramWorker) => void;
  reject: (error: Error) => void;
  /** True when nobody waits for the starter any longer. */
  isAbandoned: boolean;
}

/** The launcher and its starters. */
export class Launcher {
  readonly #shell: ShellWorker;
  readonly #sendSignal: SendSignal;
  readonly #secret = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  readonly #reader = new LauncherReportReader(this.#secret);
  readonly #write: (bytes: Uint8Array) => void;
  /** Commands for the next turn of the event loop: one write for all of them. */
  #outbox: Uint8Array[] = [];
  /** By the index of the starter. */
  readonly #workers = new Map<number, ProgramWorker>();
  readonly #opening = new Map<number, Opening>();
  readonly #ready = Promise.withResolvers<void>();
  /** The pid of the router. */
  #routerPid: number | undefined;
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
      await within(launcher.#ready.promise);
      return launcher;
    } catch (error) {
      launcher?.close();
      throw error;
    } finally {
      directory.removeWithParent();
    }
  }

  /** True while the launcher can open starters. */
  get isUsable(): boolean {
    return !this.#isClosed;
  }

  /**
   * Opens a starter, whose directory gets the name of its pid.
   *
   * @throws `Error` when the system lacks resources, or when the launcher has ended.
   */
  async open(directory: WorkerDirectory): Promise<ProgramWorker> {
    let index = 0;
    while (this.#workers.has(index) || this.#opening.has(index)) index++;
    if (this.#isClosed || index >= MAX_STARTERS) throw new Error("Cannot open a starter: it has ended or has too many");
    const { promise, resolve, reject } = Promise.withResolvers<ProgramWorker>();
    const opening = { directory, resolve, reject, isAbandoned: false };
    this.#opening.set(index, opening);
    this.#send(openCommand(index));
    try {
      const worker = await within(promise);
      if (!worker.isUsable) throw new Error("Cannot open a starter: the process has ended");
      return worker;
    } catch (error) {
      opening.isAbandoned = true;
      throw error;
    }
  }

  /** Ends the launcher once its starters have ended. */
  close(): void {
    this.#isClosed = true;
    setImmediate(() => this.#shell.retire()); // after the commands of this turn
  }

  #send(message: Uint8Array): void {
    if (this.#outbox.push(message) > 1) return;
    setImmediate(() => {
      this.#write(this.#outbox.length === 1 ? this.#outbox[0]! : concatenate(this.#outbox));
      this.#outbox = [];
    });
  }

  #handleBytes(bytes: Uint8Array): void {
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
    else this.#workers.get(report.starter)?.handle(report);
  }

  #handleOpened({ starter: index, pid }: LauncherReport & { kind: "opened" }): void {
    const opening = this.#opening.get(index);
    if (!opening) return;
    this.#opening.delete(index);
    const { directory, resolve, reject, isAbandoned } = opening;
    const send = (message: Uint8Array) => this.#send(message);
    const worker = new ProgramWorker(pid, directory, { index, send, sendSignal: this.#sendSignal });
    this.#workers.set(index, worker);
    try {
      if (isAbandoned) return worker.retire();
      directory.nameAfter(pid);
      directory.make();
      resolve(worker);
    } catch (error) {
      worker.retire();
      reject(error as Error);
    }
  }

  /** Sends SIGCONT to processes whose report is overdue: a task may have stopped them. */
  #wake(): void {
    let isOverdue = false;
    for (const worker of this.#workers.values()) isOverdue = worker.wake() || isOverdue;
    if (isOverdue && this.#routerPid !== undefined) this.#sendSignal(this.#routerPid, "SIGCONT").catch(() => {});
  }

  #handleDeath({ starter, status }: LauncherReport & { kind: "died" }): void {
    this.#opening.get(starter)?.reject(new Error("Cannot open a starter: the system lacks resources"));
    this.#opening.delete(starter);
    const worker = this.#workers.get(starter);
    this.#workers.delete(starter);
    worker?.handleEnd(exitStatus(status));
  }

  #end(reason: string): void {
    this.#isClosed = true;
    clearInterval(this.#waker);
    this.#ready.reject(new Error(`Cannot start the launcher: ${reason}`));
    this.#ready.promise.catch(() => {}); // nobody waits for a launcher that has started
    for (const { reject } of this.#opening.values()) reject(new Error(`Cannot open a starter: ${reason}`));
    this.#opening.clear();
    for (const worker of this.#workers.values()) {
      if (worker.isBusy) worker.kill(reason);
      worker.handleEnd({ code: null, signal: null });
    }
    this.#workers.clear();
  }
}

function exitStatus(status: number | undefined): ExitStatus {
  const { code, signal } = (status === undefined ? undefined : waitStatus(status)) ?? { code: null, signal: null };
  return { code, signal: signal === null ? null : signalOfStatus(128 + signal) };
}

/** @throws `Error` when the launcher does not answer in time. */
async function within<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error("Cannot use the launcher: it does not answer")), ANSWER_MS);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
