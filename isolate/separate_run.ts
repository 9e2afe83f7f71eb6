/** A run whose pool is in a process of its own. @module */

import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { printable } from "../text/excerpt.ts";
import { systemReason } from "../system/system_error.ts";
import { privateDirectoryName, temporaryDirectory } from "../system/temporary_directory.ts";
import { writeAll } from "../system/write_all.ts";
import type { TaskResult } from "../records/result.ts";
import { checkConcurrency, DEFAULT_KILL_AFTER_MS } from "../pool/options.ts";
import { MAX_TIMEOUT_MS } from "../records/task.ts";
import { type ExecutorFactory, isExecutorFactory } from "../pool/executor.ts";
import { ExecutorError, ResourceShortageError } from "../pool/errors.ts";
import type { RunOptions } from "../runner.ts";
import { type ChildProcess, defaultSpawnAdapter, type OutputReader } from "../spawn_adapters/mod.ts";
import { spillPath } from "../executors/mod.ts";
import { isShortage } from "../executors/not_started.ts";
import { ENTRY } from "./entry.ts";
import { fromErrorRecord } from "./error_record.ts";
import { MessageReader } from "./message_reader.ts";
import { type Command, type End, type ExecutorOrigin, type PlainOptions, type Setup, TASKS_FILE } from "./protocol.ts";
import { runtimeCommand } from "./runtime_command.ts";
import { InvalidFrameError } from "./signed_frames.ts";
import type { GrowingRun, TaskLines } from "./task_lines.ts";

/** Number of characters to keep of the end of standard error. */
const MAX_STDERR_CHARACTERS = 2_000;

/** Time for the process to end, in addition to `killAfterMs` of its tasks, in milliseconds. */
const RETURN_MS = 2_000;

/** Minimum of the number of results that may be unacknowledged, so that the processes seldom wait for each other. */
const MIN_RESULTS_AHEAD = 64;

const HINT = "{ isolate: false } runs the tasks in this process";

/** Runs tasks in another process, and yields their results. */
export class SeparateRun<Meta = unknown> implements GrowingRun<Meta> {
  haltedBy: TaskResult<Meta> | undefined;
  readonly #tasks: TaskLines;
  readonly #options: RunOptions;
  readonly #token = secret();
  readonly #key = secret();
  /** Path of the directory of the run, which either process removes. */
  readonly #directory = join(temporaryDirectory(), privateDirectoryName());
  #concurrency: number;
  #child: ChildProcess | undefined;
  /** Commands to send after the setup; `undefined` once the process has its setup. */
  #commands: Command[] | undefined = [];
  /** Messages of the process, after the setup was sent. */
  #messages: Promise<MessageReader> | undefined;
  /** File of tasks; `undefined` before the start. */
  #file: FileHandle | undefined;
  #fileBytes = 0;
  /** Settles when the added tasks are in the file; never rejects. `undefined` when the file has all tasks. */
  #appending: Promise<void> | undefined;
  #stderr = "";
  #delivered = 0;
  /** The number of tasks that get no result unless further tasks are added. */
  #unresolved = 0;
  /** The number of results that have been acknowledged to the process. */
  #acknowledged = 0;
  readonly #resultsAhead: number;
  /** The previous call of `next`. */
  #previous: Promise<unknown> = Promise.resolve();
  /** The error that the iterator throws at its end. */
  #failure: { error: unknown } | undefined;
  /** True when no added task would start any more. */
  #isEnding = false;
  #isOver = false;
  readonly #closed = Promise.withResolvers<void>();
  readonly #onAbort = () => this.#stop(this.#options.signal!.reason);

  constructor(tasks: TaskLines, concurrency: number, options: RunOptions) {
    this.#tasks = tasks;
    this.#concurrency = concurrency;
    this.#resultsAhead = Math.max(MIN_RESULTS_AHEAD, 2 * concurrency);
    this.#options = options;
  }

  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  get isEnding(): boolean {
    return this.#isEnding || this.#isOver || this.#options.signal?.aborted === true;
  }

  get concurrency(): number {
    return this.#concurrency;
  }

  set concurrency(concurrency: number) {
    this.#concurrency = checkConcurrency(concurrency, "Cannot change the concurrency");
    this.#send(["concurrency", concurrency]);
  }

  next(): Promise<IteratorResult<TaskResult<Meta>, undefined>> {
    const result = this.#previous.then(() => this.#next());
    this.#previous = result.catch(() => {});
    return result;
  }

  drain(): void {
    this.#isEnding = true;
    this.#send(["drain"]);
  }

  kill(): void {
    this.#isEnding = true;
    this.#send(["kill"]);
  }

  async return(): Promise<IteratorResult<TaskResult<Meta>, undefined>> {
    this.#failure = undefined;
    await this.#close();
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #send(command: Command): void {
    if (this.#commands) this.#commands.push(command);
    else this.#write([this.#token, ...command]);
  }

  #write(line: string | Setup | [token: string, ...Command]): void {
    this.#child!.stdin!.write(`${JSON.stringify(line)}\n`);
  }

  #stop(error: unknown): void {
    this.#failure ??= { error };
    this.#isEnding = true;
    this.#send(["stop"]);
  }

  async #next(): Promise<IteratorResult<TaskResult<Meta>, undefined>> {
    try {
      while (!this.#isOver) {
        if (this.#delivered + this.#unresolved === this.#tasks.count) await this.#complete();
        if (this.#isOver) break;
        const messages = await (this.#messages ??= this.#start());
        if (!messages.hasMessage) this.#acknowledge();
        const message = await messages.read();
        if (this.#isOver) break;
        if (!message) throw await this.#earlyEnd();
        const [name, content] = message;
        if (name === "result") return { done: false, value: this.#deliver(content as TaskResult<Meta>) };
        if (name === "halted") this.#halt(content as TaskResult<Meta>);
        else if (name === "progress") this.#call(this.#options.onProgress, content);
        else if (name === "unresolved") this.#unresolved = content;
        else if (name === "notice") this.#call(factoryOf(this.#options)?.onNotice, content);
        else await this.#end(content);
      }
    } catch (error) {
      this.#failure ??= { error: error instanceof InvalidFrameError ? tampered(error) : error };
      await this.#close();
    }
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure.error;
    return { done: true, value: undefined };
  }

  /** Ends a run whose tasks all have results. A run without tasks needs no process. */
  async #complete(): Promise<void> {
    if (!this.#isEnding) this.#send(["complete"]);
    this.#isEnding = true;
    if (this.#messages) return;
    this.#options.signal?.throwIfAborted();
    await this.#close();
  }

  #halt(result: TaskResult<Meta>): void {
    this.haltedBy = result;
    this.#isEnding = true;
  }

  #deliver(result: TaskResult<Meta>): TaskResult<Meta> {
    this.#delivered++;
    return result;
  }

  /** Tells the process how many results the caller has taken, unless only a few are unacknowledged. */
  #acknowledge(): void {
    if (this.#delivered - this.#acknowledged < this.#resultsAhead / 2) return;
    this.#acknowledged = this.#delivered;
    this.#send(["taken", this.#delivered]);
  }

  async #start(): Promise<MessageReader> {
    const { signal, onProgress, executor, ...others } = this.#options;
    // Functions and objects of this process; `recorded` has been looked up for each task.
    const { onAttemptStart: _hook, estimateMs: _estimate, recorded: _recorded, spawnAdapter: _adapter, ...rest } =
      others;
    const spillDir = spillPath(rest.spillDir);
    signal?.throwIfAborted();
    const options: PlainOptions = {
      ...rest,
      spillDir,
      executor: typeof executor === "object" ? originOf(this.#options) : executor,
      concurrency: this.#concurrency,
    };
    try {
      const paths = [dirname(this.#directory), ...(spillDir === undefined ? [] : [resolve(spillDir)])];
      const { program, args } = runtimeCommand(ENTRY, rest.shell ?? "sh", paths);
      // The process starts before the files exist, so that either process can remove them.
      this.#child = await (await defaultSpawnAdapter()).spawn({
        program,
        args,
        stdin: "piped",
        stderr: "piped",
      });
    } catch (error) {
      const problem = `Cannot start a process for the tasks: ${systemReason(error)}; ${HINT}`;
      const ErrorClass = isShortage(error) ? ResourceShortageError : ExecutorError;
      throw new ErrorClass(problem, { cause: error });
    }
    this.#readStderr(this.#child.stderr!).catch(() => {}); // standard error only adds detail to an error
    // Not an argument, because every user can read arguments and could create the directory first.
    this.#write(this.#directory);
    try {
      await mkdir(this.#directory, { mode: 0o700 });
      this.#file = await open(join(this.#directory, TASKS_FILE), "wx", 0o600);
      await this.#append(this.#tasks.take());
    } catch (error) {
      throw this.#writeError(error);
    }
    const messages = new MessageReader(readAll(this.#child.stdout), this.#key);
    if (this.#isOver) return messages; // without a setup the process does nothing
    const infinite = Object.entries(options).filter(([, value]) => value === Infinity).map(([name]) => name);
    this.#write({
      token: this.#token,
      key: this.#key,
      options,
      infinite,
      resultsAhead: this.#resultsAhead,
      wantsProgress: onProgress !== undefined,
    });
    for (const command of this.#commands!.splice(0)) this.#write([this.#token, ...command]);
    this.#commands = undefined;
    this.#tasks.onAdd = () => {
      this.#appending ??= this.#appendAdded();
    };
    this.#tasks.onAdd(); // tasks may have been added during the start
    signal?.addEventListener("abort", this.#onAbort);
    if (signal?.aborted) this.#onAbort();
    return messages;
  }

  /** Appends tasks to the file, and announces them to the process. Removes written chunks, to free their memory. */
  async #append(chunks: string[]): Promise<void> {
    const encoder = new TextEncoder();
    for (let chunk = chunks.shift(); chunk !== undefined && !this.#isOver; chunk = chunks.shift()) {
      const bytes = encoder.encode(chunk);
      await writeAll(this.#file!, bytes);
      for (const [id, outcome] of this.#tasks.takeOutcomes()) this.#send(["recorded", id, outcome]);
      this.#fileBytes += bytes.length;
      this.#send(["tasks", this.#fileBytes]);
    }
  }

  /** Appends the tasks that have been added during the run. After an error, the running tasks finish and the run ends. */
  async #appendAdded(): Promise<void> {
    try {
      await Promise.resolve(); // tasks added in one loop share a write
      for (let chunks = this.#tasks.take(); chunks.length > 0; chunks = this.#tasks.take()) await this.#append(chunks);
    } catch (error) {
      this.#failure ??= { error: this.#writeError(error) };
      this.drain();
    }
    this.#appending = undefined;
  }

  #writeError(cause: unknown): ExecutorError {
    const problem = `Cannot write the tasks to a file in ${dirname(this.#directory)}: ${systemReason(cause)}`;
    return new ExecutorError(`${problem}; set TMPDIR to a directory with enough free space; ${HINT}`, { cause });
  }

  async #readStderr(stderr: OutputReader): Promise<void> {
    const decoder = new TextDecoder();
    for (let bytes = await stderr.read(); bytes; bytes = await stderr.read()) {
      this.#stderr = (this.#stderr + decoder.decode(bytes)).slice(-MAX_STDERR_CHARACTERS);
    }
  }

  /** Calls a callback of the caller. An error of the callback ends the run. */
  #call<T>(callback: ((content: T) => void) | undefined, content: T): void {
    try {
      callback?.(content);
    } catch (error) {
      this.#stop(error);
    }
  }

  async #end({ error }: End): Promise<void> {
    // The error of this program, such as the reason of a signal, precedes the error of the process.
    if (error) this.#failure ??= { error: fromErrorRecord(error) };
    await this.#close();
  }

  /** Returns the error for a process that ended before the end of its results. */
  async #earlyEnd(): Promise<ExecutorError> {
    const { code, signal } = await this.#child!.exited;
    const exit = signal ? `was ended by ${signal}` : `exited with status ${code}`;
    const count = `${this.#delivered} of ${this.#tasks.count} results`;
    const text = printable(this.#stderr.trim());
    const detail = text === "" ? "" : `; its standard error: ${text}`;
    return new ExecutorError(`Cannot run the tasks: their process ${exit} after ${count}${detail}`);
  }

  /** Ends the process, and removes its files. */
  async #close(): Promise<void> {
    this.#isOver = true;
    await this.#messages?.catch(() => {}); // the process may be starting
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    if (this.#child) {
      // Closing the input of the process would signal the end of this program, and leave the tasks less time to end.
      if (this.#commands) this.#child.stdin!.close();
      else this.#send(["return"]);
      this.#child.stdout.cancel();
      const { killAfterMs = DEFAULT_KILL_AFTER_MS } = this.#options;
      const timer = setTimeout(() => this.#child!.stdin!.close(), Math.min(killAfterMs + RETURN_MS, MAX_TIMEOUT_MS));
      await this.#child.exited;
      clearTimeout(timer);
      this.#child.stdin!.close();
      this.#child.stderr!.cancel();
      await this.#appending;
      await this.#file?.close().catch(() => {}); // nobody reads the file any more
      try {
        rmSync(this.#directory, { recursive: true, force: true });
      } catch {
        // Deno denies the removal only where it also denied the creation of the directory.
      }
    }
    this.#closed.resolve();
  }
}

/** Returns the factory of the executor, if the option is a factory. */
function factoryOf({ executor }: RunOptions): ExecutorFactory | undefined {
  return isExecutorFactory(executor) ? executor : undefined;
}

/** Returns the origin from which another process can create the executor; `undefined` when only this process can. */
export function originOf(options: RunOptions): ExecutorOrigin | undefined {
  const { module, options: ownOptions } = factoryOf(options) ?? {};
  return module === undefined ? undefined : { module, options: ownOptions };
}

function secret(): string {
  return randomBytes(32).toString("hex");
}

function tampered(cause: InvalidFrameError): ExecutorError {
  return new ExecutorError(`Cannot read the results: a task has accessed the stream of results: ${cause.message}`, {
    cause,
  });
}

async function* readAll(reader: OutputReader): AsyncGenerator<Uint8Array, void> {
  for (let bytes = await reader.read(); bytes; bytes = await reader.read()) yield bytes;
}
