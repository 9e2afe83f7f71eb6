/** One attempt in a shell worker. @module */

import { Buffer } from "node:buffer";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { ProcessGroupTermination } from "../internal/process_group.ts";
import type { SendSignal } from "../internal/send_signal.ts";
import { signalOfStatus, statusOfSignal } from "../internal/signals.ts";
import { unusableDirectory, unusableProgram } from "./not_started.ts";
import { outputLost } from "./output.ts";
import { cutOutputFile, removeFile, type TakenOutput, takeOutputFile } from "./output_file.ts";
import { kindOfCommand } from "./plain_command.ts";
import { type AttemptFiles, attemptScript } from "./shell_script.ts";
import type { ShellTraits } from "./shell_traits.ts";
import type { AttemptReport, ShellWorker, WorkerDeath } from "./shell_worker.ts";
import type { OutputStream, SpillDirectory } from "./spill_directory.ts";
import { environmentOf, taskVariables } from "./task_variables.ts";
import type { Attempt, AttemptEnd, Execution, Executor } from "./types.ts";

/** What an attempt needs of the executor it belongs to. */
export interface ShellContext {
  shell: string;
  maxInlineBytes: number;
  maxOutputBytes: number;
  spillDirectory: SpillDirectory;
  sendSignal: SendSignal;
  /** Carries out what no worker can. */
  processes: Executor;
  /** The worker of a slot; `undefined` when none can be had. */
  worker(slot: number): Promise<ShellWorker | undefined>;
  /** What is known about the shell. Always there when a worker was had. */
  traits: ShellTraits | undefined;
  /** Lets a worker go. */
  dismiss(worker: ShellWorker): void;
  /** Those that a worker carries out now. */
  readonly running: Set<ShellExecution>;
}

const NOTHING: TakenOutput = { output: { text: "" } };
const REMOVED: TakenOutput = {
  output: { text: "" },
  error: outputLost("its file was removed while the task ran"),
};
const FULL = "no space was left on the device for temporary files";

/** An attempt that a worker carries out. */
export class ShellExecution implements Execution {
  readonly ended: Promise<AttemptEnd>;
  /** When it was handed to its worker, by `performance.now()`. */
  startedMs = Infinity;
  readonly #attempt: Attempt;
  readonly #onOutputLimit: () => void;
  readonly #context: ShellContext;
  #files: AttemptFiles | undefined;
  #worker: ShellWorker | undefined;
  #hasEnded = false;
  /** Where its output goes was full at some time. */
  #wasFull = false;
  /** Set when the attempt was to be ended before it had begun. */
  #killAfterMs: number | undefined;
  #termination: ProcessGroupTermination | undefined;
  /** The attempt as a process of its own, when no worker could begin it. */
  #process: Execution | undefined;

  constructor(attempt: Attempt, onOutputLimit: () => void, context: ShellContext) {
    this.#attempt = attempt;
    this.#onOutputLimit = onOutputLimit;
    this.#context = context;
    this.ended = this.#run();
  }

  terminate(killAfterMs: number): boolean {
    if (this.#process) return this.#process.terminate(killAfterMs);
    if (this.#termination) {
      this.#termination.killAfter(killAfterMs);
      return true;
    }
    if (this.#worker && !this.#hasEnded) this.#endGroup(this.#worker, killAfterMs);
    else this.#killAfterMs = killAfterMs;
    return !this.#hasEnded;
  }

  /**
   * Cuts off output that has grown too large, for the whole of the attempt, as that may not end at once; and sees whether
   * there is room for it.
   */
  watchOutput(): void {
    this.#wasFull ||= this.#worker!.directory.isFull;
    const { stdout, stderr } = this.#files!;
    const { maxOutputBytes } = this.#context;
    const isCut = [stdout, stderr].map((path) => cutOutputFile(path, maxOutputBytes));
    if (isCut.includes(true)) this.#onOutputLimit();
  }

  async #run(): Promise<AttemptEnd> {
    const { task, slot } = this.#attempt;
    const worker = await this.#context.worker(slot);
    if (this.#killAfterMs !== undefined) return neverBegun();
    if (!worker) return await this.#runAsProcess();
    const number = worker.nextNumber;
    const files = filesOf(worker.directory.path, number, task.stdin);
    try {
      if (task.stdin !== undefined) writeFileSync(files.stdin, task.stdin, { mode: 0o600 });
    } catch {
      removeFile(files.stdin);
      return await this.#runAsProcess();
    }
    const { cmd, cwd } = task;
    const env = environmentOf(this.#attempt);
    const variables = taskVariables(this.#attempt);
    const wantsPipes = opensDescriptors(cmd);
    const mayBePlain = typeof cmd === "string" && !wantsPipes && this.#context.traits!.runsPlainCommands;
    const kind = mayBePlain ? kindOfCommand(cmd) : "other";
    const line = worker.nextLine;
    this.#worker = worker;
    this.#files = files;
    this.startedMs = performance.now();
    this.#context.running.add(this);
    const outcome = await worker.run(
      attemptScript({ number, cmd, cwd, variables, env, shell: this.#context.shell, files, kind, wantsPipes }),
    );
    const durationMs = performance.now() - this.startedMs;
    this.#hasEnded = true;
    this.#wasFull ||= worker.directory.isFull; // before its files are removed, which may be what fills it
    this.#context.running.delete(this);
    const wasStopped = this.#termination !== undefined;
    await this.#termination?.gone;
    if ("exit" in outcome && !this.#termination?.foundAttempt) {
      this.#endGroup(worker, 0); // its task may be without it, and not over
      await this.#termination!.gone;
    }
    if (kind === "simple" && "status" in outcome && (outcome.status === 126 || outcome.status === 127)) {
      renumberMessage(files.stderr, this.#context.shell, line);
    }
    const mayHaveBegun = wantsPipes && "exit" in outcome; // its processes are started one after the other
    const end = couldNotBegin(outcome) && !mayHaveBegun && !existsSync(files.stdout)
      ? await this.#endOfNothing(files, wasStopped, durationMs)
      : await this.#endOf(outcome, files, durationMs);
    if (task.stdin !== undefined) removeFile(files.stdin);
    if (wantsPipes) removeFile(files.status);
    if (!worker.isUsable) this.#context.dismiss(worker);
    return end ?? await this.#runAsProcess();
  }

  #endGroup(worker: ShellWorker, killAfterMs: number): void {
    worker.retire(); // it belongs to the group, which is over when nobody is left
    const group = this.#hasEnded ? { id: worker.pid } : { id: worker.pid, attemptSinceMs: this.startedMs };
    this.#termination = new ProcessGroupTermination(group, killAfterMs, this.#context.sendSignal);
  }

  /** How an attempt ended that has not begun; `undefined` when it could be carried out by a process of its own. */
  async #endOfNothing(files: AttemptFiles, wasStopped: boolean, durationMs: number): Promise<AttemptEnd | undefined> {
    removeFile(files.stderr);
    return await unusableDirectory(this.#attempt.task.cwd, durationMs) ?? (wasStopped ? neverBegun() : undefined);
  }

  /** How the attempt ended. */
  async #endOf(outcome: AttemptReport | WorkerDeath, files: AttemptFiles, durationMs: number): Promise<AttemptEnd> {
    const { traits, shell } = this.#context;
    const { task } = this.#attempt;
    const stdout = this.#take(files, "stdout");
    const stderrIsEmpty = "status" in outcome && outcome.stderrIsEmpty;
    if (stderrIsEmpty) removeFile(files.stderr);
    const stderr = stderrIsEmpty ? NOTHING : this.#take(files, "stderr");
    const [out, err] = [stdout instanceof Promise ? await stdout : stdout ?? REMOVED, await stderr ?? REMOVED];
    const ending = endingOf(outcome);
    if (typeof task.cmd !== "string" || !stderrIsEmpty) {
      const program = typeof task.cmd === "string" ? shell : task.cmd[0]!;
      const { status } = ending;
      if ((status === 126 || status === 127) && traits!.isExecFailure(err.output.text, program)) {
        const code = status === 127 ? "ENOENT" : /too long/i.test(err.output.text) ? "E2BIG" : "EACCES";
        return unusableProgram(program, { code }, durationMs);
      }
    }
    return {
      ...ending,
      durationMs,
      stdout: out.output,
      stderr: err.output,
      outputError: ending.outputError ?? out.error ?? err.error ?? (this.#wasFull ? outputLost(FULL) : undefined),
    };
  }

  #take(files: AttemptFiles, stream: OutputStream): TakenOutput | Promise<TakenOutput> | undefined {
    const { maxInlineBytes, maxOutputBytes, spillDirectory } = this.#context;
    return takeOutputFile(files[stream], {
      maxInlineBytes,
      maxOutputBytes,
      // A part of an output in a file would look like all of it.
      createFile: () => this.#wasFull ? Promise.reject(new Error(FULL)) : spillDirectory.create(this.#attempt, stream),
      onLimit: this.#onOutputLimit,
    });
  }

  #runAsProcess(): Promise<AttemptEnd> {
    this.#process = this.#context.processes.start(this.#attempt, this.#onOutputLimit);
    if (this.#killAfterMs !== undefined) this.#process.terminate(this.#killAfterMs);
    return this.#process.ended;
  }
}

/** Names for the descriptors of a process, and the limit of what its files may hold. */
const OWN_DESCRIPTOR = /\/dev\/(?:std|fd)|\/proc\/[^/]+\/fd|\bulimit\b/;

/** Whether a command could tell that its outputs are files. */
function opensDescriptors(cmd: string | readonly string[]): boolean {
  return typeof cmd === "string" ? OWN_DESCRIPTOR.test(cmd) : cmd.some((argument) => OWN_DESCRIPTOR.test(argument));
}

/** Makes what a worker said about the line it was on what a fresh shell says about its first one. */
function renumberMessage(path: string, shell: string, line: number): void {
  const said = Buffer.from(`${shell}: ${line}: `);
  try {
    const message = readFileSync(path);
    if (!message.subarray(0, said.length).equals(said)) return;
    writeFileSync(path, Buffer.concat([Buffer.from(`${shell}: 1: `), message.subarray(said.length)]));
  } catch {
    // Whoever takes the output will find out why.
  }
}

function filesOf(directory: string, number: number, stdin: string | undefined): AttemptFiles {
  return {
    stdin: stdin === undefined ? "/dev/null" : `${directory}/${number}.in`,
    stdout: `${directory}/${number}.out`,
    stderr: `${directory}/${number}.err`,
    status: `${directory}/${number}.status`,
  };
}

/** Whether the worker may have failed before the command. It then has a message for that, and no signal is involved. */
function couldNotBegin(outcome: AttemptReport | WorkerDeath): boolean {
  return "exit" in outcome ? outcome.exit.signal === null : outcome.messages !== "" && outcome.status <= 128;
}

function neverBegun(): AttemptEnd {
  return { status: null, durationMs: 0, stdout: { text: "" }, stderr: { text: "" } };
}

function endingOf(
  outcome: AttemptReport | WorkerDeath,
): Pick<AttemptEnd, "status" | "signal" | "userMs" | "systemMs" | "outputError"> {
  if ("exit" in outcome) {
    const { signal } = outcome.exit;
    if (signal !== null) return { status: statusOfSignal(signal), signal };
    return { status: null, outputError: "The shell of the worker ended while the task ran" };
  }
  const { status, messages, userMs, systemMs } = outcome;
  // A shell says so when a signal ended its child. Without a word the status is what the command has given itself.
  const signal = status > 128 && messages !== "" ? signalOfStatus(status) : undefined;
  return { status, signal, userMs, systemMs };
}
