/** Runs one attempt in a shell worker. @module */

import { Buffer } from "node:buffer";
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { ProcessGroupTermination } from "../process_group.ts";
import type { SendSignal } from "../send_signal.ts";
import { signalOfStatus, statusOfSignal } from "../../system/signals.ts";
import { unusableDirectory, unusableInput, unusableProgram } from "../not_started.ts";
import { outputLost } from "../output.ts";
import {
  type CollectedOutput,
  collectOutputFile,
  readSmallFile,
  removeFile,
  truncateOutputFile,
} from "./output_file.ts";
import { isBuiltinCommand } from "./builtin_command.ts";
import { classifyCommand } from "./plain_command.ts";
import { OutputFollower } from "./output_follower.ts";
import { needsPipes } from "./needs_pipes.ts";
import { hasNoChildren } from "../../system/process_state.ts";
import { type AttemptFiles, attemptScript, type ScriptOptions } from "./script.ts";
import type { ShellCapabilities } from "./probe.ts";
import { REPORT_BYTES, type RunCallbacks, type WorkerExit } from "./attempt_worker.ts";
import type { Program, ProgramCommand, ProgramEnd } from "./launcher/messages.ts";
import type { ProgramOutcome, ProgramWorker } from "./launcher/program_worker.ts";
import { plainPrograms } from "./launcher/plain_programs.ts";
import type { SlotWorkers } from "./slot_workers.ts";
import type { AttemptReport, ShellWorker } from "./worker.ts";
import type { OutputStream, SpillDirectory } from "../spill_directory.ts";
import { systemUptimeMs, UPTIME_STEP_MS } from "../../system/system_uptime.ts";
import { environmentOf, taskVariables } from "../task_variables.ts";
import { inputOf } from "../../records/task_input.ts";
import {
  type Attempt,
  type AttemptCallbacks,
  type AttemptEnding,
  type AttemptResult,
  type AttemptStop,
  type Execution,
  type Output,
  resultWithoutOutput,
} from "../../pool/executor.ts";
import { encodeOutput } from "../../pool/encode_output.ts";
import { StopCause } from "../../pool/stop_cause.ts";

/** The way in which an attempt starts. */
export interface ExecutionStart {
  /** The previous attempt in the slot, which has not ended; `undefined` when the slot is free. */
  previous: Execution | undefined;
  /** True when no worker can run the attempt. */
  needsProcess: boolean;
}

type Worker = ShellWorker | ProgramWorker;

/** The settings and workers that an executor shares with its attempts. */
export interface ShellContext {
  shell: string;
  maxInlineBytes: number;
  maxOutputBytes: number;
  /**
   * True to decode large outputs only when their texts are read.
   *
   * @default {false}
   */
  isLazy?: boolean | undefined;
  spillDirectory: SpillDirectory;
  sendSignal: SendSignal;
  /** Runs an attempt in its own process. */
  startProcess(attempt: Attempt, callbacks: AttemptCallbacks): Execution;
  /** Shells, which run any command. */
  readonly shells: SlotWorkers<ShellWorker>;
  /** Starters, which only run programs; `undefined` where there are none. */
  programs: SlotWorkers<ProgramWorker> | undefined;
  /** The capabilities of the shell, known once there is a worker. */
  capabilities: ShellCapabilities | undefined;
  /** Retires a worker and removes its directory. */
  dismiss(worker: Worker): void;
  /** The attempts that workers are running, by slot. */
  readonly running: (ShellExecution | undefined)[];
}

/** The input of a task without one. */
const NO_INPUT = "/dev/null";
const EMPTY: CollectedOutput = { output: { text: "" } };
const MISSING: CollectedOutput = {
  output: { text: "" },
  error: outputLost("its file was removed while the task ran"),
};
/** The time for a worker to report the start of a command. Afterwards the attempt runs in its own process. */
const BEGIN_MS = 10_000;
/** The time for a worker to report or exit after the rest of its group is gone. */
const REAP_MS = 2_000;
const DEVICE_FULL = "no space left on the device for temporary files";

/**
 * An attempt in a shell worker. While another attempt runs in the slot, the attempt waits: in the worker, which begins it
 * without delay, or here.
 */
export class ShellExecution implements Execution {
  readonly ended: Promise<AttemptResult>;
  /** The time at which it became the turn of the attempt in its worker, by `performance.now()`. */
  startedMs = Infinity;
  /** The attempt that waits for the end of this one. */
  next: ShellExecution | undefined;
  readonly #attempt: Attempt;
  readonly #callbacks: AttemptCallbacks;
  readonly #context: ShellContext;
  readonly #needsProcess: boolean;
  /** The previous attempt in the slot, until it has ended. */
  #previous: Execution | undefined;
  /** True when the outputs of the command are pipes instead of files. */
  readonly #usesPipes: boolean;
  /** The programs of the command, if it only starts programs. */
  readonly #programs: readonly Program[] | undefined;
  /** True when the worker reports the start of the command. */
  readonly #reportsBegin: boolean;
  /** The start of the command, where the worker reports it, by `performance.now()`. */
  #beganMs: number | undefined;
  #files: AttemptFiles | undefined;
  /** Readers of live output. */
  #followers: OutputFollower[] = [];
  #worker: Worker | undefined;
  #hasEnded = false;
  /** True while another attempt runs in the slot. */
  #isQueued: boolean;
  /** True when the worker will not run the attempt, because the file for its standard output cannot be created. */
  #isBlocked = false;
  #isWithdrawn = false;
  /** True when a starter has refused the attempt, which needs a shell. */
  #isRefused = false;
  /** True when the worker has failed, and there is no file for standard output. */
  #leftNothing = false;
  /** True when the file system of the output files was full at some time. */
  #wasFull = false;
  readonly #stop = new StopCause();
  /** A termination that was requested before the attempt had a process. */
  #pendingStop: { reason: AttemptStop; killAfterMs: number } | undefined;
  /** Ends the wait for a worker. */
  #stopWaiting: (() => void) | undefined;
  #termination: ProcessGroupTermination | undefined;
  /** The attempt in its own process, when no worker could start it. */
  #process: Execution | undefined;

  constructor(attempt: Attempt, callbacks: AttemptCallbacks, context: ShellContext, start: ExecutionStart) {
    this.#attempt = attempt;
    this.#callbacks = callbacks;
    this.#context = context;
    this.#needsProcess = start.needsProcess;
    this.#previous = start.previous;
    this.#isQueued = start.previous !== undefined;
    this.#usesPipes = needsPipes(attempt.task.cmd);
    this.#reportsBegin = this.#usesPipes || attempt.timeoutMs !== undefined;
    this.#programs = context.programs && !this.#usesPipes ? programsOf(attempt.task) : undefined;
    this.ended = this.#run();
  }

  terminate(reason: AttemptStop, killAfterMs: number): void {
    if (this.#process) return this.#process.terminate(reason, killAfterMs);
    const isRunning = this.#worker !== undefined && !this.#isQueued && !this.#hasEnded;
    // When the worker has begun another attempt, this one has ended.
    if (isRunning && !this.#blockFollowing()) return;
    this.#stop.request(reason);
    if (this.#termination) this.#termination.killAfter(killAfterMs);
    else if (isRunning) this.#endGroup(this.#worker!, killAfterMs);
    else {
      this.#pendingStop ??= { reason, killAfterMs };
      this.#pendingStop.killAfterMs = Math.min(killAfterMs, this.#pendingStop.killAfterMs);
      if (this.#isQueued) this.leaveWorker();
      this.#stopWaiting?.();
    }
  }

  tryWithdraw(): boolean {
    this.#isWithdrawn ||= this.#isQueued && this.leaveWorker();
    return this.#isWithdrawn;
  }

  /**
   * Prevents that the worker begins the attempt.
   *
   * @returns false when the worker has begun the attempt.
   */
  leaveWorker(): boolean {
    if (!this.#isQueued) return false;
    // The worker creates a file of this name when it begins the attempt: only one of both can succeed.
    this.#isBlocked ||= this.#files !== undefined && createDirectory(this.#files.stdout);
    return this.#isBlocked || this.#files === undefined;
  }

  /** Prevents that the worker begins the attempts after this one. Returns false when it has begun one. */
  #blockFollowing(): boolean {
    for (let next = this.next; next; next = next.next) if (!next.leaveWorker()) return false;
    return true;
  }

  hasEnded(): boolean | undefined {
    if (this.#process) return this.#process.hasEnded?.();
    return this.#hasEnded || (this.#worker ? hasNoChildren(this.#worker.pid) : undefined);
  }

  /**
   * Truncates output above its limit, records a full file system, and kills a worker that does not start the command.
   * Called regularly while the attempt runs, because a task may print more after the termination for its output.
   */
  poll(): void {
    for (const follower of this.#followers) follower.read();
    this.#wasFull ||= this.#worker!.directory.isFull;
    const { stdout, stderr } = this.#files!;
    const { maxOutputBytes } = this.#context;
    const areTruncated = [stdout, stderr].map((path) => truncateOutputFile(path, maxOutputBytes));
    if (areTruncated.includes(true)) this.#callbacks.onOutputLimit();
    const isOnTime = !this.#reportsBegin || this.#beganMs !== undefined || this.#termination !== undefined;
    if (!isOnTime && performance.now() - this.startedMs > BEGIN_MS) this.#worker!.kill("it did not start the task");
  }

  async #run(): Promise<AttemptResult> {
    const previous = this.#previous;
    const canQueue = previous !== undefined && !this.#needsProcess && !this.#usesPipes;
    let result = canQueue ? await this.#runBehind() : "blocked";
    if (result === "blocked") {
      if (previous) await previous.ended.catch(() => {}); // the owner of that attempt handles the error
      this.#previous = undefined;
      this.#isQueued = false;
      result = await this.#runInSlot();
    }
    return typeof result === "object" ? result : this.#stop.applyTo(await this.#runAsProcess());
  }

  /** Runs the attempt in the busy worker of the slot. Returns `blocked` when the slot must be free first. */
  async #runBehind(): Promise<AttemptResult | "blocked" | undefined> {
    const { shells, programs } = this.#context;
    const { slot } = this.#attempt;
    const plain = this.#plainPrograms();
    const starter = plain && programs?.busyWorker(slot);
    const result = starter && await this.#runPrograms(starter, plain);
    if (starter) return this.#isRefused && result === undefined ? "blocked" : result;
    const shell = plain ? undefined : shells.busyWorker(slot);
    return shell ? await this.#runScript(shell) : "blocked";
  }

  /** Runs the attempt in a worker of its free slot. Returns `undefined` when no worker can run it. */
  async #runInSlot(): Promise<AttemptResult | undefined> {
    const { shells, programs } = this.#context;
    const { slot } = this.#attempt;
    // Without a needless turn, the worker is busy before another attempt is queued for the slot.
    if (!this.#needsProcess && !this.#mayNotStart && this.#mayBeProgram) {
      const found = programs!.worker(slot);
      const worker = found instanceof Promise ? await this.#orStop(found) : found;
      const plain = worker && this.#plainPrograms();
      const result = plain && !this.#mayNotStart ? await this.#runPrograms(worker, plain) : undefined;
      if (typeof result === "object") return result;
    }
    const found = this.#needsProcess || this.#mayNotStart ? undefined : shells.worker(slot);
    const worker = found instanceof Promise ? await this.#orStop(found) : found;
    if (this.#mayNotStart) return this.#stop.applyTo(resultWithoutOutput({ kind: "withdrawn" }));
    const result = worker && await this.#runScript(worker);
    return typeof result === "object" ? result : undefined;
  }

  /** True when the command may only start programs, as far as that is known before there is a worker. */
  get #mayBeProgram(): boolean {
    const { capabilities, programs } = this.#context;
    if (!programs || this.#programs === undefined || this.#isRefused) return false;
    if (typeof this.#attempt.task.cmd !== "string" || !capabilities) return true;
    return capabilities.runsPlainCommands && (this.#programs.length === 1 || capabilities.namesSignals);
  }

  /** Returns the programs of the command, if a starter can run it. */
  #plainPrograms(): readonly Program[] | undefined {
    return this.#context.capabilities && this.#mayBeProgram ? this.#programs : undefined;
  }

  /** True when the attempt was stopped or withdrawn before it began. */
  get #mayNotStart(): boolean {
    return this.#pendingStop !== undefined || this.#isWithdrawn;
  }

  /**
   * Runs the attempt in a starter. Returns `undefined` when no program began, and `blocked` when the starter was prevented
   * from that.
   */
  async #runPrograms(
    worker: ProgramWorker,
    programs: readonly Program[],
  ): Promise<AttemptResult | "blocked" | undefined> {
    worker.hold();
    try {
      const files = this.#makeFiles(worker);
      const command = files && this.#programCommand(programs, files);
      const outcome = files && await this.#perform(worker, files, (callbacks) => worker.run(command!, callbacks));
      if (outcome === undefined) return this.#isQueued ? "blocked" : undefined;
      if (outcome === "blocked") return outcome;
      if ("kind" in outcome) return await this.#endRefused(files!);
      const durationMs = "exit" in outcome ? this.#elapsedMs : outcome.durationMs;
      const wasStopped = this.#termination !== undefined;
      const ending = this.#recordEnd(worker, outcome);
      if (ending) await ending;
      for (const follower of this.#followers) await follower.readAll();
      // When the launcher has ended, nobody knows which program has begun.
      const result = "exit" in outcome && outcome.exit && this.#mayNotHaveBegun
        ? this.#unstartedResult(worker, files!, wasStopped, durationMs)
        : this.#programResult(worker, outcome, files!, durationMs);
      return this.#conclude(worker, files!, result instanceof Promise ? await result : result);
    } finally {
      worker.release();
    }
  }

  #programCommand(programs: readonly Program[], files: AttemptFiles): ProgramCommand {
    const { shell } = this.#context;
    const { cwd } = this.#attempt.task;
    return {
      programs,
      variables: { ...taskVariables(this.#attempt), ...environmentOf(this.#attempt) },
      stdin: files.stdin === NO_INPUT ? "" : files.stdin,
      stdout: files.stdout,
      stderr: files.stderr,
      directory: cwd ?? "",
      shell: programs.length > 1 || programs[0]!.redirections.length > 0 ? shell : "",
      reportsBegin: this.#reportsBegin,
      isQueued: this.#isQueued,
      keepsFiles: this.#keepsFiles,
    };
  }

  /** True when outputs stay in their files although a report has space for them. */
  get #keepsFiles(): boolean {
    const { maxInlineBytes, maxOutputBytes } = this.#context;
    return this.#callbacks.onOutput !== undefined || Math.min(maxInlineBytes, maxOutputBytes) < REPORT_BYTES;
  }

  /** Ends an attempt whose program did not begin. Returns `undefined` when a shell may run it. */
  async #endRefused(files: AttemptFiles): Promise<AttemptResult | undefined> {
    this.#endTurn();
    this.#leaveFiles(files);
    this.#isRefused = true;
    if (!this.#termination) return undefined;
    await this.#termination.gone;
    return this.#stop.applyTo(resultWithoutOutput({ kind: "withdrawn" }));
  }

  #programResult(
    worker: ProgramWorker,
    outcome: ProgramEnd | WorkerExit,
    files: AttemptFiles,
    durationMs: number,
  ): AttemptResult | Promise<AttemptResult> {
    if ("exit" in outcome) return this.#resultWith(worker, endingOfExit(outcome), files, { durationMs });
    const { userMs, systemMs, stdout, stderr } = outcome;
    return this.#resultWith(worker, endingOfProgram(outcome), files, { durationMs, userMs, systemMs }, {
      stdout: stdout && { output: stdout },
      stderr: stderr && { output: stderr },
    });
  }

  /**
   * Runs the attempt in a shell. Returns `undefined` when the shell could not begin the attempt, and `blocked` when it was
   * prevented from that.
   */
  async #runScript(worker: ShellWorker): Promise<AttemptResult | "blocked" | undefined> {
    worker.hold();
    try {
      const files = this.#makeFiles(worker);
      if (!files) return this.#isQueued ? "blocked" : undefined;
      const line = worker.nextLine;
      const { script, kind } = this.#script(worker.nextNumber, files);
      const outputs = { stdout: files.stdout, stderr: kind === "builtin" ? "" : files.stderr };
      const read = this.#keepsFiles ? undefined : outputs;
      const outcome = await this.#perform(worker, files, (callbacks) => worker.run(script, callbacks, read));
      if (outcome === "blocked" || outcome === undefined) return outcome;
      const end = "status" in outcome ? outcome.end : undefined;
      // Reports wait for others, and so may that of the attempt before.
      const durationMs = end && this.#beganMs === undefined
        ? end.durationMs
        : Math.min(this.#elapsedMs, end?.durationMs ?? Infinity);
      const wasStopped = this.#termination !== undefined;
      const ending = this.#recordEnd(worker, outcome);
      if (ending) await ending;
      if (kind === "simple" && "status" in outcome && (outcome.status === 126 || outcome.status === 127)) {
        if (end?.stderr) end.stderr = renumbered(end.stderr, this.#context.shell, line);
        else renumberFile(files.stderr, this.#context.shell, line);
      }
      const stderr = kind === "builtin" ? this.#errorsOf(outcome, line) : undefined;
      return this.#conclude(
        worker,
        files,
        this.#mayNotHaveBegun
          ? await this.#unstartedResult(worker, files, wasStopped, durationMs)
          : await this.#scriptResult(worker, outcome, files, durationMs, stderr),
      );
    } finally {
      worker.release();
    }
  }

  /** Returns the script of the attempt, and the way in which it runs the command. */
  #script(number: number, files: AttemptFiles): { script: string; kind: ScriptOptions["kind"] } {
    const { task } = this.#attempt;
    const { cmd, cwd } = task;
    const input = inputOf(task);
    const inputFile = input && "file" in input ? input.file : undefined;
    const mayBePlain = typeof cmd === "string" && !this.#usesPipes && this.#context.capabilities!.runsPlainCommands;
    const env = environmentOf(this.#attempt);
    const needsSubshell = cwd !== undefined || env !== undefined || inputFile !== undefined || this.#reportsBegin;
    const grammar = mayBePlain ? classifyCommand(cmd) : "other";
    const kind = grammar === "simple" && !needsSubshell && isBuiltinCommand(cmd as string) ? "builtin" : grammar;
    const script = attemptScript({
      number,
      cmd,
      cwd,
      variables: taskVariables(this.#attempt),
      env,
      shell: this.#context.shell,
      files,
      inputFile,
      kind,
      usesPipes: this.#usesPipes,
      reportsBegin: this.#reportsBegin,
      isQueued: this.#isQueued,
    });
    return { script, kind };
  }

  /** Returns the files for the next attempt of a worker; `undefined` when the input cannot be written. */
  #makeFiles(worker: Worker): AttemptFiles | undefined {
    const input = inputOf(this.#attempt.task);
    const data = input && "data" in input ? input.data : undefined;
    const files = attemptFiles(worker.directory.path, worker.nextNumber, data !== undefined);
    try {
      if (data !== undefined) writeFileSync(files.stdin, data, { mode: 0o600 });
      return files;
    } catch {
      removeFile(files.stdin);
      return undefined;
    }
  }

  /**
   * Has a worker perform the attempt.
   *
   * @param run Returns `undefined` when the worker cannot perform the attempt.
   * @returns `blocked` when the worker was prevented from beginning the attempt.
   */
  async #perform<Report extends AttemptReport | ProgramOutcome>(
    worker: Worker,
    files: AttemptFiles,
    run: (callbacks: RunCallbacks) => Promise<Report | WorkerExit> | undefined,
  ): Promise<Report | WorkerExit | "blocked" | undefined> {
    this.#worker = worker;
    this.#files = files;
    const sentMs = performance.now(); // the worker may begin before `run` returns
    const ended = run({
      onBegin: this.#reportsBegin ? (uptimeMs) => this.#begin(uptimeMs) : undefined,
      onTurn: () => this.#takeTurn(),
    });
    if (!ended) {
      this.#leaveFiles(files);
      return undefined;
    }
    if (!this.#isQueued) this.#takeTurn(sentMs);
    const outcome = await ended;
    if (this.#isQueued && !this.leaveWorker()) this.#takeTurn(); // the worker is gone
    // Checked at once: the end of another attempt may remove the directory.
    this.#leftNothing = mayHaveFailedBefore(outcome) && this.#hasLeftNothing(worker, files, outcome);
    // A subshell may survive its worker: then the name stays taken until the directory of the worker is removed.
    if (this.#isBlocked && !("exit" in outcome)) removeDirectory(files.stdout);
    return this.#isBlocked ? this.#leaveFiles(files) : outcome;
  }

  /** Returns whether the worker has not begun the attempt, and will not begin it. */
  #hasLeftNothing(worker: Worker, { stdout }: AttemptFiles, outcome: object): boolean {
    if (!("exit" in outcome) || outcome.exit) return !existsSync(stdout);
    // The shell may still be running when the launcher has ended, and a subshell when the shell was killed.
    if (!this.#usesPipes) return createDirectory(stdout);
    const mayRun = "isRouted" in worker && worker.isRouted;
    return !mayRun && !existsSync(stdout);
  }

  /** The time since the attempt began. */
  get #elapsedMs(): number {
    return performance.now() - (this.#beganMs ?? this.startedMs);
  }

  /** Notes that the command has ended. Returns a promise when the rest of its processes has to end. */
  #recordEnd(worker: Worker, outcome: object): Promise<void> | undefined {
    this.#hasEnded = true;
    this.#stop.end();
    this.#wasFull ||= worker.directory.isFull; // before the removal of files frees space
    this.#endTurn();
    return this.#termination || "exit" in outcome ? this.#endRest(worker, outcome) : undefined;
  }

  async #endRest(worker: Worker, outcome: object): Promise<void> {
    if (this.#termination) await this.#termination.gone;
    if ("exit" in outcome && !this.#termination?.foundAttempt) {
      this.#endGroup(worker, 0); // processes of the task may survive the worker
      await this.#termination!.gone;
    }
  }

  /** Releases what the attempt has used, and notes in its result why it was stopped. */
  #conclude(worker: Worker, files: AttemptFiles, result: AttemptResult | undefined): AttemptResult | undefined {
    if (files.stdin !== NO_INPUT) removeFile(files.stdin);
    if (!worker.isUsable) this.#context.dismiss(worker);
    return result && this.#stop.applyTo(result);
  }

  /** True when the worker may have failed before the command. */
  get #mayNotHaveBegun(): boolean {
    return this.#leftNothing && this.#beganMs === undefined;
  }

  /** Notes that the worker runs the attempt, or is about to. */
  #takeTurn(startedMs = performance.now()): void {
    if (this.#isBlocked) return;
    const wasQueued = this.#isQueued;
    this.#isQueued = false;
    this.#previous = undefined;
    this.#followers = this.#follow(this.#files!);
    this.startedMs = startedMs;
    this.#context.running[this.#attempt.slot] = this;
    if (wasQueued && !this.#reportsBegin) this.#callbacks.onStart();
    if (this.#pendingStop) this.#endGroup(this.#worker!, this.#pendingStop.killAfterMs);
  }

  /** Notes that the worker no longer runs the attempt. It may already run the next one. */
  #endTurn(): void {
    const { running } = this.#context;
    const { slot } = this.#attempt;
    if (running[slot] === this) running[slot] = undefined;
  }

  /** Removes what an attempt has left that its worker did not begin. */
  #leaveFiles(files: AttemptFiles): "blocked" {
    removeFile(files.stderr);
    if (files.stdin !== NO_INPUT) removeFile(files.stdin);
    this.#isBlocked = false;
    this.#files = this.#worker = undefined;
    return "blocked";
  }

  /** Returns a promised worker; `undefined` when a stop interrupts the wait. */
  #orStop<W extends Worker>(worker: Promise<W | undefined>): Promise<W | undefined> {
    return Promise.race([worker, new Promise<undefined>((resolve) => this.#stopWaiting = () => resolve(undefined))]);
  }

  #begin(uptimeMs: number | undefined): void {
    if (this.#isBlocked) return;
    const agoMs = uptimeMs === undefined ? 0 : (systemUptimeMs() ?? uptimeMs) - uptimeMs - UPTIME_STEP_MS;
    const now = performance.now();
    this.#beganMs = Math.min(now, Math.max(this.startedMs, now - agoMs));
    this.#callbacks.onStart(now - this.#beganMs);
  }

  #endGroup(worker: Worker, killAfterMs: number): void {
    worker.retire(); // the worker must exit, because it belongs to the group
    const { pid: id, isShellOfAttempt: leaderIsShell } = worker;
    const group = this.#hasEnded ? { id } : { id, attemptSinceMs: this.startedMs, leaderIsShell };
    const termination = new ProcessGroupTermination(group, killAfterMs, this.#context.sendSignal);
    this.#termination = termination;
    if (!this.#hasEnded) this.#enforceReport(worker, termination);
  }

  /** Kills a worker that neither reports nor exits after the termination of its attempt. */
  #enforceReport(worker: Worker, { gone }: ProcessGroupTermination): void {
    const wait = () => {
      if (!this.#hasEnded) setTimeout(() => worker.kill("it did not end with its task"), REAP_MS);
    };
    gone.then(wait, wait);
  }

  /** Returns the result of an attempt that never began; `undefined` to run the attempt in its own process. */
  async #unstartedResult(
    worker: Worker,
    files: AttemptFiles,
    wasStopped: boolean,
    durationMs: number,
  ): Promise<AttemptResult | undefined> {
    removeFile(files.stderr);
    const end = await unusableDirectory(this.#attempt.task.cwd, durationMs);
    if (!end) this.#context.dismiss(worker); // it cannot create files
    return end ?? (wasStopped ? resultWithoutOutput({ kind: "withdrawn" }) : undefined);
  }

  /** Returns the messages on the channel about a command without a process, as they are in a fresh shell. */
  #errorsOf(outcome: AttemptReport | WorkerExit, line: number): CollectedOutput {
    if ("exit" in outcome || outcome.messages === "") return EMPTY;
    return { output: { text: `${withFirstLine(outcome.messages, this.#context.shell, line)}\n` } };
  }

  /**
   * Returns the result of an attempt that began in a shell.
   *
   * @param collected Standard error, if it is not in the file.
   */
  async #scriptResult(
    worker: ShellWorker,
    outcome: AttemptReport | WorkerExit,
    files: AttemptFiles,
    durationMs: number,
    collected: CollectedOutput | undefined,
  ): Promise<AttemptResult> {
    const { shell } = this.#context;
    const { task } = this.#attempt;
    const input = inputOf(task);
    const inputFile = input && "file" in input ? input.file : undefined;
    const ending = "exit" in outcome ? endingOfExit(outcome) : endingOfReport(outcome);
    const status = ending.kind === "exited" ? ending.status : undefined;
    const isUnopened = inputFile !== undefined && status !== 0 && worker.hasSigned(readSmallFile(files.inputFailure));
    const isExecFailure = (status === 126 || status === 127) && worker.hasSigned(readSmallFile(files.execFailure));
    // When nothing ran, the output is from the shell.
    if (!isUnopened && !isExecFailure) { for (const follower of this.#followers) await follower.readAll(); }
    const stderrIsEmpty = !collected && "status" in outcome && outcome.stderrIsEmpty;
    const end = "status" in outcome ? outcome.end : undefined;
    if (stderrIsEmpty && !end?.stderr) removeFile(files.stderr);
    const times = { durationMs, ...("status" in outcome && { userMs: outcome.userMs, systemMs: outcome.systemMs }) };
    const known = {
      stdout: end?.stdout && { output: end.stdout },
      stderr: collected ?? (stderrIsEmpty ? EMPTY : end?.stderr && { output: end.stderr }),
    };
    const collecting = this.#resultWith(worker, ending, files, times, known);
    const result = collecting instanceof Promise ? await collecting : collecting;
    if (inputFile !== undefined && status !== 0) {
      removeFile(files.inputFailure);
      if (isUnopened && status !== undefined && status <= 128) return unusableInput(inputFile, task.cwd, durationMs);
    }
    if (isExecFailure) {
      const code = status === 127 ? "ENOENT" : /too long/i.test(result.stderr.text) ? "E2BIG" : "EACCES";
      removeFile(files.execFailure);
      return unusableProgram(typeof task.cmd === "string" ? shell : task.cmd[0]!, { code }, durationMs);
    }
    return result;
  }

  /** Returns a result with the outputs that are known, and the others from their files, which it deletes. */
  #resultWith(
    worker: Worker,
    ending: AttemptEnding,
    files: AttemptFiles,
    times: Pick<AttemptResult, "durationMs" | "userMs" | "systemMs">,
    known: { stdout?: CollectedOutput | undefined; stderr?: CollectedOutput | undefined } = {},
  ): AttemptResult | Promise<AttemptResult> {
    const stdout = known.stdout ?? this.#collect(files, "stdout");
    const stderr = known.stderr ?? this.#collect(files, "stderr");
    if (stdout === undefined) this.#context.dismiss(worker); // its directory may be missing, too
    const withOutputs = (out: CollectedOutput = MISSING, err: CollectedOutput = MISSING): AttemptResult => ({
      ending,
      ...times,
      stdout: out.output,
      stderr: err.output,
      outputError: out.error ?? err.error ?? (this.#wasFull ? outputLost(DEVICE_FULL) : undefined),
    });
    return stdout instanceof Promise || stderr instanceof Promise
      ? Promise.all([stdout, stderr]).then(([out, err]) => withOutputs(out, err))
      : withOutputs(stdout, stderr);
  }

  #follow(files: AttemptFiles): OutputFollower[] {
    const { onOutput } = this.#callbacks;
    const { maxOutputBytes } = this.#context;
    if (!onOutput) return [];
    return (["stdout", "stderr"] as const).map((stream) =>
      new OutputFollower(files[stream], maxOutputBytes, (bytes) => onOutput(stream, bytes))
    );
  }

  #collect(files: AttemptFiles, stream: OutputStream): CollectedOutput | Promise<CollectedOutput> | undefined {
    const { maxInlineBytes, maxOutputBytes, isLazy, spillDirectory } = this.#context;
    return collectOutputFile(files[stream], {
      maxInlineBytes,
      maxOutputBytes,
      isLazy,
      // An incomplete file would look complete.
      createFile: () =>
        this.#wasFull ? Promise.reject(new Error(DEVICE_FULL)) : spillDirectory.create(this.#attempt, stream),
      onLimit: this.#callbacks.onOutputLimit,
    });
  }

  #runAsProcess(): Promise<AttemptResult> {
    this.#process = this.#context.startProcess(this.#attempt, this.#callbacks);
    if (this.#pendingStop) this.#process.terminate(this.#pendingStop.reason, this.#pendingStop.killAfterMs);
    return this.#process.ended;
  }
}

/** Returns the programs of a task, if a starter can run it. */
function programsOf(task: Attempt["task"]): readonly Program[] | undefined {
  const { cmd, cwd } = task;
  const input = inputOf(task);
  // The opening of a FIFO would block a starter, and some shells keep two slashes in PWD.
  if ((input && "file" in input) || cwd?.startsWith("//")) return undefined;
  if (typeof cmd === "string") return plainPrograms(cmd);
  if (cmd[0] === "" || cmd.some((word) => word.includes("\0"))) return undefined;
  return [{ words: cmd, redirections: [] }];
}

/** Returns whether a directory could be created. */
function createDirectory(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
    return true;
  } catch {
    return false;
  }
}

/** Removes an empty directory if it exists. */
function removeDirectory(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // The directory that contained it is gone.
  }
}

/** Replaces the line number in the message of a file. */
function renumberFile(path: string, shell: string, line: number): void {
  const message = readSmallFile(path); // such messages are short
  if (message === undefined) return;
  const renumbered = withFirstLine(message, shell, line);
  if (renumbered === message) return;
  removeFile(path);
  try {
    writeFileSync(path, renumbered, { mode: 0o600, flag: "wx" });
  } catch {
    // Collecting the output reports the error.
  }
}

/** Replaces the line number in an output that is a message. */
function renumbered(output: Output, shell: string, line: number): Output {
  if (!output.encoding) return { ...output, text: withFirstLine(output.text, shell, line) };
  const bytes = Buffer.from(output.text, "base64").toString("latin1");
  return encodeOutput(Buffer.from(withFirstLine(bytes, shell, line), "latin1"));
}

/** Replaces the line number in a message of the worker by 1, as in the message of a fresh shell. */
function withFirstLine(message: string, shell: string, line: number): string {
  const prefix = `${shell}: ${line}: `;
  return message.startsWith(prefix) ? `${shell}: 1: ${message.slice(prefix.length)}` : message;
}

function attemptFiles(directory: string, number: number, hasData: boolean): AttemptFiles {
  return {
    stdin: hasData ? `${directory}/${number}.in` : NO_INPUT,
    stdout: `${directory}/${number}.out`,
    stderr: `${directory}/${number}.err`,
    execFailure: `${directory}/${number}.exec`,
    inputFailure: `${directory}/${number}.input`,
  };
}

/** Returns true when the worker may have failed before the command: it printed a message, and no signal ended it. */
function mayHaveFailedBefore(outcome: AttemptReport | ProgramOutcome | WorkerExit): boolean {
  if ("exit" in outcome) return !outcome.exit?.signal;
  return "messages" in outcome && outcome.messages !== "" && (outcome.status ?? 0) <= 128;
}

function endingOfExit({ exit, reason }: WorkerExit): AttemptEnding {
  const signal = exit?.signal;
  if (signal) return { kind: "signaled", signal, status: statusOfSignal(signal) };
  return lost(reason ? `its shell was killed because ${reason}` : "its shell ended while the task ran");
}

function endingOfReport({ status, messages }: AttemptReport): AttemptEnding {
  if (status === null) return lost("its shell was killed");
  // Shells print a message when a signal ends their child. Without one, the command exited with this status.
  const signal = status > 128 && messages !== "" ? signalOfStatus(status) : undefined;
  return signal === undefined ? { kind: "exited", status } : { kind: "signaled", signal, status };
}

function endingOfProgram({ code, signal }: ProgramEnd): AttemptEnding {
  if (code !== null) return { kind: "exited", status: code };
  return { kind: "signaled", signal: signalOfStatus(128 + signal!), status: 128 + signal! };
}

function lost(reason: string): AttemptEnding {
  return { kind: "lost", reason: `Cannot tell how the task ended: ${reason}` };
}
