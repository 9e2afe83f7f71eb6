/** Carries out each attempt in a process of its own. @module */

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
import { inputFileCommand, MarkerReader, unsupportedVariable } from "./input_file.ts";
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

/** What a {@linkcode ProcessExecutor} needs to know. */
export interface ProcessExecutorOptions {
  /** Finds the way to start a process. */
  adapter: () => SpawnAdapter | Promise<SpawnAdapter>;
  /** The shell that runs commands given as a string, as `SHELL -c -- COMMAND SHELL`. */
  shell: string;
  /** How much of each output stream stands in the result. */
  maxInlineBytes: number;
  /** How much of each is kept. */
  maxOutputBytes: number;
  /** Where larger output goes. */
  spillDirectory: SpillDirectory;
  sendSignal: SendSignal;
  /** Says when a process may be started. */
  pacer: StartPacer;
  /** Watches the processes of this executor alone, and is closed with it. */
  guard?: ProcessGuard | undefined;
}

/** Starts a new process for every attempt: a shell for a string, the program itself for an array. */
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
  /** Set when the attempt was to be ended before its process was there. */
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
      ? [shell, ["-c", "--", task.cmd, shell]] // the last is $0, which not every runtime leaves as it is
      : [task.cmd[0]!, task.cmd.slice(1)];
    const env = { ...taskVariables(this.#attempt), ...pwdVariable(task.cwd), ...environmentOf(this.#attempt) };
    const lostVariable = file === undefined ? undefined : unsupportedVariable(environmentOf(this.#attempt));
    if (lostVariable !== undefined) return unusableVariable(lostVariable, 0);
    const opening = file === undefined ? undefined : inputFileCommand(file, [program, ...args], env);
    let startedMs = performance.now();
    let child: ChildProcess | undefined;
    try {
      const spawnAdapter = await adapter();
      child = await pacer.start(() => {
        if (this.#killAfterMs !== undefined) return Promise.resolve(undefined); // it was ended while it waited
        startedMs = performance.now();
        return spawnAdapter.spawn({
          ...opening ?? { program, args, env },
          cwd: task.cwd,
          stdin: data === undefined ? "null" : "piped",
          stderr: "piped",
        });
      });
    } catch (error) {
      const durationMs = performance.now() - startedMs;
      // The runtimes report a missing directory as a missing program.
      return await unusableDirectory(task.cwd, durationMs) ??
        unusableProgram(opening?.program ?? program, error, durationMs);
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
    const marked = opening && new MarkerReader(child.stdout, opening.markers);
    const stdout = this.#capture(marked ?? child.stdout, "stdout");
    const stderr = this.#capture(child.stderr!, "stderr");
    const { code, signal, ...times } = await exited;
    await this.#termination?.gone;
    child.stdin?.abort(); // what it has not read by now it never will
    await drainOutputs([stdout, stderr]);
    if (marked && code) {
      const problem = marked.startFailure(code);
      if (problem) await discardOutput(await stdout.finish(), await stderr.finish());
      if (problem === "input") return unusableInput(file!, task.cwd, times.durationMs);
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
    const { maxInlineBytes, maxOutputBytes, spillDirectory } = this.#options;
    const { onOutput } = this.#callbacks;
    return new CapturedOutput(reader, {
      maxInlineBytes,
      maxOutputBytes,
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

/** `PWD` for a program in another directory than the runner's, as a shell that goes there has it. */
function pwdVariable(cwd: string | undefined): { PWD?: string } {
  if (cwd === undefined || !isPermitted({ name: "read", path: cwd })) return {};
  try {
    return { PWD: realpathSync(cwd) };
  } catch {
    return {}; // to start the program there says why it cannot be used
  }
}

/** More than a pipe holds. */
const MAX_PIPE_BYTES = 1024 * 1024;

/** Finishes reading the outputs of an ended process. */
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
