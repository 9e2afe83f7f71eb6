/**
 * The process that runs tasks for a `TaskRunner`: it reads the tasks from a file and commands from standard input, and
 * writes results to standard output. When its caller ends, the process ends with everything it has started.
 *
 * @module
 */

import { rmdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { keepHeapSmallSoon } from "../system/small_heap.ts";
import { writeStdout } from "../system/standard_streams.ts";
import { PRIVATE_DIRECTORY_NAME } from "../system/temporary_directory.ts";
import { readJsonLines } from "../jsonl/jsonl_reader.ts";
import { readUnsharedTasks } from "../records/read_tasks.ts";
import { MAX_RESULT_LINE_BYTES, type Outcome } from "../records/result.ts";
import type { PooledRun, Run } from "../pool/run.ts";
import type { ExecutorFactory } from "../pool/executor.ts";
import { type RunOptions, startRun } from "../runner.ts";
import { toErrorRecord } from "./error_record.ts";
import { GrowingFile } from "./growing_file.ts";
import { MessageWriter } from "./message_writer.ts";
import { ResultWindow } from "./result_window.ts";
import { commandOf, type End, type Message, type PlainOptions, type Setup, TASKS_FILE } from "./protocol.ts";

/** Time from the end of the caller to SIGKILL for the tasks, in milliseconds. */
const KILL_MS = 1_000;
/** Time from the end of the caller to the exit of this process, in milliseconds. The guard then ends remaining tasks. */
const EXIT_MS = 3_000;

/** Runs the tasks of the caller to their end. */
export async function serve(): Promise<void> {
  keepHeapSmallSoon();
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => stop.abort(new Error(`Cannot run the tasks: their process received ${signal}`)));
  }
  process.stdout.on("error", () => {}); // the failing write reports the error
  const lines = readJsonLines(process.stdin, { onInvalid: () => {} });
  const { value: directory } = (await lines.next()).value ?? {};
  if (typeof directory !== "string" || !PRIVATE_DIRECTORY_NAME.test(basename(directory))) {
    throw new Error("Cannot run this module: only a TaskRunner starts it");
  }
  const path = join(directory, TASKS_FILE);
  const first = await lines.next();
  process.on("exit", () => removeFiles(directory));
  if (!first.done) await new Server(first.value.value as Setup, stop).run(path, lines);
}

/** Removes the file of tasks, and the directory if it is empty then. */
function removeFiles(directory: string): void {
  rmSync(join(directory, TASKS_FILE), { force: true });
  try {
    rmdirSync(directory);
  } catch {
    // The caller has removed the directory, or has never created it.
  }
}

/** Runs the tasks of one caller. */
class Server {
  readonly #setup: Setup;
  readonly #stop: AbortController;
  readonly #writer: MessageWriter;
  readonly #window: ResultWindow;
  #results: PooledRun | undefined;
  /** True when the caller wants no further results. */
  #isLeft = false;
  /** Called when the caller has taken more results, or wants no further results. */
  #wake = () => {};
  readonly #recorded = new Map<string, Outcome>();

  constructor(setup: Setup, stop: AbortController) {
    this.#setup = setup;
    this.#stop = stop;
    this.#window = new ResultWindow(setup.resultsAhead);
    this.#writer = new MessageWriter(writeStdout, {
      key: setup.key,
      maxWaiting: () => this.#window.size / 4,
      mayWait: () => this.#areSlotsBusy,
    });
  }

  async run(path: string, lines: AsyncIterable<{ value: unknown }>): Promise<void> {
    const { options, infinite, wantsProgress } = this.#setup;
    const end: End = {};
    const tasks = new GrowingFile(path);
    try {
      const executor = await this.#importExecutor(options.executor);
      const results = startRun(readUnsharedTasks(tasks.chunks(), { maxLineBytes: MAX_RESULT_LINE_BYTES }), {
        ...options,
        ...Object.fromEntries(infinite.map((name) => [name, Infinity])),
        signal: this.#stop.signal,
        executor,
        ...(wantsProgress && { onProgress: (progress) => this.#writer.setProgress(progress) }),
        recorded: { outcomeOf: (id) => this.#recorded.get(id) },
      }, {
        isWorkflow: undefined,
        isReadFirst: false,
        onUnresolved: (tasks) => this.#sendNow("unresolved", tasks),
      });
      this.#results = results;
      this.#follow(lines, results, tasks).catch((error) => this.#stop.abort(error));
      let isHalted = false;
      for await (const result of results) {
        if (this.#mustWait) await this.#waitForCapacity();
        this.#window.recordSent();
        if (results.haltedBy && !isHalted) this.#writer.add("halted", results.haltedBy);
        isHalted = results.haltedBy !== undefined;
        this.#writer.add("result", result);
        if (this.#writer.isFull) await this.#writer.flush();
      }
    } catch (error) {
      end.error = toErrorRecord(error);
    }
    try {
      await this.#send("end", end);
    } catch {
      // The caller has ended.
    }
  }

  async #importExecutor(origin: PlainOptions["executor"]): Promise<RunOptions["executor"]> {
    if (typeof origin !== "object") return origin;
    const { executorFactory } = await import(origin.module) as { executorFactory(options: object): ExecutorFactory };
    return executorFactory({ ...origin.options, onNotice: (text: string) => this.#sendNow("notice", text) });
  }

  /** True when all slots are busy: a task that follows from a result could not start yet. */
  get #areSlotsBusy(): boolean {
    return this.#results !== undefined && this.#results.running >= this.#results.concurrency;
  }

  get #mustWait(): boolean {
    return this.#window.isFull && !this.#isLeft;
  }

  async #waitForCapacity(): Promise<void> {
    while (this.#mustWait) await new Promise<void>((resolve) => this.#wake = resolve);
  }

  async #send(...message: Message): Promise<void> {
    this.#writer.add(...message);
    await this.#writer.flush();
  }

  #sendNow(...message: Message): void {
    this.#send(...message).catch(() => {}); // the caller has ended
  }

  async #follow(lines: AsyncIterable<{ value: unknown }>, results: Run, tasks: GrowingFile): Promise<void> {
    for await (const { value } of lines) {
      const command = commandOf(value, this.#setup.token);
      switch (command?.[0]) {
        case "taken":
          this.#window.recordTaken(command[1]);
          this.#wake();
          break;
        case "recorded":
          this.#recorded.set(command[1], command[2]);
          break;
        case "tasks":
          tasks.announce(command[1]);
          break;
        case "complete":
          tasks.complete();
          break;
        case "concurrency":
          results.concurrency = command[1];
          break;
        case "drain":
          results.drain();
          break;
        case "stop":
          this.#stop.abort();
          break;
        case "kill":
          results.kill();
          break;
        case "return":
          this.#leave(results);
      }
    }
    this.#leave(results);
    setTimeout(() => results.kill(), KILL_MS);
    setTimeout(() => process.exit(1), EXIT_MS);
  }

  #leave(results: Run): void {
    this.#isLeft = true;
    this.#wake();
    results.return().catch((error) => this.#stop.abort(error));
  }
}
