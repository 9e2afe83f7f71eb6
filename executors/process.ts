/** Runs each attempt in its own process. @module */

import { realpathSync } from "node:fs";
import { isPermitted } from "../system/deno_permissions.ts";
import { ProcessGroupTermination } from "./process_group.ts";
import type { SendSignal } from "./send_signal.ts";
import { statusOfSignal } from "../system/signals.ts";
import type { ProcessGuard } from "../spawn_adapters/guard.ts";
import type { ChildProcess, ExitStatus, OutputReader, SpawnAdapter } from "../spawn_adapters/types.ts";
import { unusableDirectory, unusableInput, unusableProgram, unusableVariable } from "./not_started.ts";
import { drain } from "./drain.ts";
import { CapturedOutput, discardOutput } from "./output.ts";
import { isZombie } from "../system/process_state.ts";
import type { OutputStream, SpillDirectory } from "./spill_directory.ts";
import type { StartPacer } from "./start_pacer.ts";
import { environmentOf, taskVariables } from "./task_variables.ts";
import { inputOf } from "../records/task_input.ts";
import { MarkerReader, needsShellStart, shellStart, unsupportedVariable } from "./shell_start.ts";
import { exceedsArgumentLimit } from "./shell/script.ts";
import {
  type Attempt,
  type AttemptCallbacks,
  type AttemptEnding,
  type AttemptResult,
  type AttemptStop,
  type Execution,
  type Executor,
  resultWithoutOutput,
} from "../pool/executor.ts";
import { StopCause } from "../pool/stop_cause.ts";

/** Options of {@linkcode ProcessExecutor}. */
export interface ProcessExecutorOptions {
  /** Returns the adapter that starts processes. */
  adapter: () => SpawnAdapter | Promise<SpawnAdapter>;
  /** The shell for commands that are strings. */
  shell: string;
  /** The number of bytes of each output stream in the result. */
  maxInlineBytes: number;
  /** The number of bytes of each output stream to keep. */
  maxOutputBytes: number;
  /**
   * True to decode large outputs only when their texts are read.
   *
   * @default {false}
   */
  isLazy?: boolean | undefined;
  /** The directory for output that is too large for the result. */
  spillDirectory: SpillDirectory;
  sendSignal: SendSignal;
  /** Delays starts of processes. */
  pacer: StartPacer;
  /** The guard to close together with the executor. */
  guard?: ProcessGuard | undefined;
}

/** Starts a process for each attempt: a shell for a string, the program itself for an array. */
export class ProcessExecutor implements Executor {
  readonly reportsStart = true;
  readonly reportsOutput = true;
  readonly #options: ProcessExecutorOptions;

  constructor(options: ProcessExecutorOptions) {
    this.#options = options;
  }

  start(attempt: Attempt, callbacks: AttemptCallbacks): Execution {
    return new ProcessExecution(attempt, callbacks, this.#options);
  }

  discard({ stdout, stderr }: AttemptResult): Promise<void> {
    return discardOutput(stdout, stderr);
  }

  async close(): Promise<void> {
    await this.#options.spillDirectory.close();
    await this.#options.guard?.close();
  }
}

class ProcessExecution implements Execution {
  readonly ended: Promise<AttemptResult>;
  readonly #attempt: Attempt;
  readonly #callbacks: AttemptCallbacks;
  readonly #options: ProcessExecutorOptions;
  readonly #stop = new StopCause();
  #child: ChildProcess | undefined;
  #hasExited = false;
  /** Set when the attempt is terminated before its process has started. */
  #killAfterMs: number | undefined;
  #termination: ProcessGroupTermination | undefined;

  constructor(attempt: Attempt, callbacks: AttemptCallbacks, options: ProcessExecutorOptions) {
    this.#attempt = attempt;
    this.#callbacks = callbacks;
    this.#options = options;
    this.ended = this.#run().then((result) => this.#stop.applyTo(result));
  }

  terminate(reason: AttemptStop, killAfterMs: number): void {
    this.#stop.request(reason);
    this.#terminate(killAfterMs);
  }

  #terminate(killAfterMs: number): void {
    if (this.#termination) this.#termination.killAfter(killAfterMs);
    else if (this.#hasExited) return;
    else if (this.#child) {
      this.#termination = new ProcessGroupTermination(
        { id: this.#child.pid },
        killAfterMs,
        this.#options.sendSignal,
      );
    } else this.#killAfterMs = Math.min(killAfterMs, this.#killAfterMs ?? Infinity);
  }

  hasEnded(): boolean | undefined {
    return this.#hasExited || (this.#child ? isZombie(this.#child.pid) : undefined);
  }

  async #run(): Promise<AttemptResult> {
    const { task } = this.#attempt;
    const { adapter, shell, pacer } = this.#options;
    const { data, file } = { data: undefined, file: undefined, ...inputOf(task) };
    const [program, args] = typeof task.cmd === "string"
      ? [shell, ["-c", "--", task.cmd, shell]] // the last sets $0, which otherwise depends on the runtime
      : [task.cmd[0]!, task.cmd.slice(1)];
    const env = { ...taskVariables(this.#attempt), ...pwdVariable(task.cwd), ...environmentOf(this.#attempt) };
    const command = [program, ...args];
    const needsShell = needsShellStart({ command, env, file });
    const lostVariable = needsShell ? unsupportedVariable(environmentOf(this.#attempt)) : undefined;
    if (lostVariable !== undefined) return unusableVariable(lostVariable, file !== undefined);
    if (needsShell && command.some(exceedsArgumentLimit)) return unusableProgram(program, { code: "E2BIG" }, 0);
    const start = needsShell ? shellStart({ command, env, file }) : undefined;
    let startedMs = performance.now();
    let child: ChildProcess | undefined;
    try {
      const spawnAdapter = await adapter();
      child = await pacer.start(() => {
        if (this.#killAfterMs !== undefined) return Promise.resolve(undefined); // terminated while waiting
        startedMs = performance.now();
        return spawnAdapter.spawn({
          ...start ?? { program, args, env },
          cwd: task.cwd,
          stdin: data === undefined ? "null" : "piped",
          stderr: "piped",
        });
      });
    } catch (error) {
      const durationMs = performance.now() - startedMs;
      // Runtimes report a missing working directory as a missing program.
      return await unusableDirectory(task.cwd, durationMs) ??
        unusableProgram(start?.program ?? program, error, durationMs);
    }
    if (!child) return resultWithoutOutput({ kind: "withdrawn" });
    this.#child = child;
    this.#callbacks.onStart();
    const exited = child.exited.then((status) => {
      this.#hasExited = true;
      this.#stop.end();
      return { ...status, durationMs: performance.now() - startedMs };
    });
    if (this.#killAfterMs !== undefined) this.#terminate(this.#killAfterMs);
    if (data !== undefined) child.stdin?.write(data);
    child.stdin?.close();
    const marked = start && new MarkerReader(child.stdout, start.markers);
    const stdout = this.#capture(marked ?? child.stdout, "stdout");
    const stderr = this.#capture(child.stderr!, "stderr");
    const { code, signal, ...times } = await exited;
    await this.#termination?.gone;
    child.stdin?.abort(); // the process can no longer read it
    await drainOutputs([stdout, stderr]);
    if (marked && code) {
      const problem = marked.startFailure(code);
      if (problem) await discardOutput(await stdout.finish(), await stderr.finish());
      if (problem === "setup") {
        if (file !== undefined) return unusableInput(file, task.cwd, times.durationMs);
        return unusableProgram("printf", { code: "ENOENT" }, times.durationMs);
      }
      if (problem) return unusableProgram(program, problem, times.durationMs);
    }
    return {
      ending: endingOf({ code, signal }),
      ...times,
      stdout: await stdout.finish(),
      stderr: await stderr.finish(),
      outputError: stdout.error ?? stderr.error,
    };
  }

  #capture(reader: OutputReader, stream: OutputStream): CapturedOutput {
    const { maxInlineBytes, maxOutputBytes, isLazy, spillDirectory } = this.#options;
    const { onOutput } = this.#callbacks;
    return new CapturedOutput(reader, {
      maxInlineBytes,
      maxOutputBytes,
      isLazy,
      createFile: () => spillDirectory.create(this.#attempt, stream),
      onLimit: this.#callbacks.onOutputLimit,
      onOutput: onOutput && ((bytes) => onOutput(stream, bytes)),
    });
  }
}

function endingOf({ code, signal }: Pick<ExitStatus, "code" | "signal">): AttemptEnding {
  if (signal !== null) return { kind: "signaled", signal, status: statusOfSignal(signal) };
  if (code !== null) return { kind: "exited", status: code };
  return { kind: "lost", reason: "Cannot tell how the task ended: the runtime reported no exit status" };
}

/** Returns `PWD` for a program in the directory `cwd`, as a shell would set it after `cd`. */
function pwdVariable(cwd: string | undefined): { PWD?: string } {
  if (cwd === undefined || !isPermitted({ name: "read", path: cwd })) return {};
  try {
    return { PWD: realpathSync(cwd) };
  } catch {
    return {}; // starting the program reports why the directory is unusable
  }
}

/** More than a pipe holds. */
const MAX_PIPE_BYTES = 1024 * 1024;

/** Waits for the rest of the outputs of an exited process. */
async function drainOutputs(outputs: readonly CapturedOutput[]): Promise<void> {
  const ended = Promise.all(outputs.map(({ done }) => done));
  await drain({
    ended,
    bytesRead: () => outputs.reduce((sum, { bytes }) => sum + bytes, 0),
    isReading: () => outputs.every(({ waiting }) => waiting),
    maxBytes: outputs.length * MAX_PIPE_BYTES,
    cancel: () => outputs.forEach((output) => output.stop()),
  });
  await ended;
}
