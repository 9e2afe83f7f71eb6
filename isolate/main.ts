/**
 * The process that runs tasks for a `TaskRunner`: it reads the tasks from a file and commands from standard input, and
 * writes results to standard output. When its caller ends, the process ends with everything it has started.
 *
 * @module
 */

import { rmdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { isEntryPoint } from "../system/entry_point.ts";
import { keepHeapSmall } from "../system/small_heap.ts";
import { writeStdout } from "../system/standard_streams.ts";
import { PRIVATE_DIRECTORY_NAME } from "../system/temporary_directory.ts";
import { readJsonLines } from "../jsonl/jsonl_reader.ts";
import { JsonLinesWriter } from "../jsonl/jsonl_writer.ts";
import { readTasks } from "../records/read_tasks.ts";
import { MAX_RESULT_LINE_BYTES, type Outcome } from "../records/result.ts";
import type { Progress } from "../pool/options.ts";
import type { Run } from "../pool/run.ts";
import type { ExecutorFactory } from "../pool/executor.ts";
import { type RunOptions, startRun } from "../runner.ts";
import { toErrorRecord } from "./error_record.ts";
import { GrowingFile } from "./growing_file.ts";
import { commandOf, type End, type Message, type PlainOptions, type Setup, TASKS_FILE } from "./protocol.ts";
import { FrameSigner } from "./signed_frames.ts";

/** Time from the end of the caller to SIGKILL for the tasks, in milliseconds. */
const KILL_MS = 1_000;
/** Time from the end of the caller to the exit of this process, in milliseconds. The guard then ends remaining tasks. */
const EXIT_MS = 3_000;

async function main(): Promise<void> {
  process.exitCode = 255; // a promise that never settles must not look like success
  keepHeapSmall(); // as the command does
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
  readonly #writer: JsonLinesWriter;
  #sent = 0;
  #taken = 0;
  /** True when the caller wants no further results. */
  #isLeft = false;
  /** Called when the caller has taken more results, or wants no further results. */
  #wake = () => {};
  readonly #recorded = new Map<string, Outcome>();
  #progress: Progress | undefined;
  #sendingProgress: Promise<void> | undefined;

  constructor(setup: Setup, stop: AbortController) {
    this.#setup = setup;
    this.#stop = stop;
    const signer = new FrameSigner(setup.key);
    this.#writer = new JsonLinesWriter({ write: (bytes) => writeStdout(signer.sign(bytes)) });
  }

  async run(path: string, lines: AsyncIterable<{ value: unknown }>): Promise<void> {
    const { options, infinite, wantsProgress } = this.#setup;
    const end: End = {};
    const tasks = new GrowingFile(path);
    try {
      const executor = await this.#importExecutor(options.executor);
      const results = startRun(readTasks(tasks.chunks(), { maxLineBytes: MAX_RESULT_LINE_BYTES }), {
        ...options,
        ...Object.fromEntries(infinite.map((name) => [name, Infinity])),
        signal: this.#stop.signal,
        executor,
        ...(wantsProgress && { onProgress: (progress) => this.#sendProgress(progress) }),
        recorded: { outcomeOf: (id) => this.#recorded.get(id) },
      }, {
        isWorkflow: undefined,
        isReadFirst: false,
        onUnresolved: (tasks) => this.#sendUnresolved(tasks),
      });
      this.#follow(lines, results, tasks).catch((error) => this.#stop.abort(error));
      let isHalted = false;
      for await (const result of results) {
        await this.#waitForCapacity();
        if (results.haltedBy && !isHalted) await this.#send("halted", results.haltedBy);
        isHalted = results.haltedBy !== undefined;
        await this.#send("result", result);
      }
    } catch (error) {
      end.error = toErrorRecord(error);
    }
    try {
      await this.#sendingProgress;
      await this.#send("end", end);
      await this.#writer.flush();
    } catch {
      // The caller has ended.
    }
  }

  async #importExecutor(origin: PlainOptions["executor"]): Promise<RunOptions["executor"]> {
    if (typeof origin !== "object") return origin;
    const { executorFactory } = await import(origin.module) as { executorFactory(options: object): ExecutorFactory };
    return executorFactory({ ...origin.options, onNotice: (text: string) => this.#sendNotice(text) });
  }

  #send(...message: Message): Promise<void> {
    return this.#writer.write(message);
  }

  /** Waits until the number of unacknowledged results is low, so that tasks do not run far ahead of a slow caller. */
  async #waitForCapacity(): Promise<void> {
    while (this.#sent - this.#taken >= this.#setup.resultsAhead && !this.#isLeft) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    this.#sent++;
  }

  /** Sends the latest progress as often as the caller reads. */
  #sendProgress(progress: Progress): void {
    this.#progress = progress;
    this.#sendingProgress ??= this.#writer.flush().then(() => {
      this.#sendingProgress = undefined;
      return this.#send("progress", this.#progress!);
    }).catch(() => {});
  }

  #sendNotice(text: string): void {
    this.#send("notice", text).catch(() => {}); // the caller has ended
  }

  #sendUnresolved(tasks: number): void {
    this.#send("unresolved", tasks).then(() => this.#writer.flush()).catch(() => {}); // the caller has ended
  }

  async #follow(lines: AsyncIterable<{ value: unknown }>, results: Run, tasks: GrowingFile): Promise<void> {
    for await (const { value } of lines) {
      const command = commandOf(value, this.#setup.token);
      switch (command?.[0]) {
        case "taken":
          this.#taken = command[1];
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

// In a bundle, this module must not replace the program.
if (isEntryPoint(import.meta, "isolate/main")) {
  // Not awaited, because `require` cannot load a module with a top-level await.
  main().then(() => process.exit(0), (error) => {
    console.error(error);
    process.exit(1);
  });
}
