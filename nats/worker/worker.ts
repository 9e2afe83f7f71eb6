/** Runs tasks of other programs, which arrive through NATS JetStream. @module */

import { join } from "node:path";
import { scratchLocations } from "../../executors/shell/scratch_directory.ts";
import { systemReason } from "../../system/system_error.ts";
import { privateDirectoryName } from "../../system/temporary_directory.ts";
import { checkConcurrency } from "../../pool/options.ts";
import { defaultSpawnAdapter } from "../../spawn_adapters/mod.ts";
import { ProcessGuard } from "../../spawn_adapters/guard.ts";
import { causeOf, connectNats, isForbidden, type Nats } from "../client/connection.ts";
import { checkInteger, checkName, type NatsConnectionOptions } from "../client/options.ts";
import { changesOfQueue, namesOfStream, subjectsOfQueue } from "../client/protocol.ts";
import { RunConsumer } from "./run_consumer.ts";
import { Slots } from "./slots.ts";

/** The interval at which a worker looks for new and removed runs that were not announced. */
const POLL_MS = 5_000;

/** Options of {@linkcode Worker}. */
export interface WorkerOptions {
  /** NATS connection and authentication options. */
  nats: NatsConnectionOptions;
  /** The names of the queues to take tasks from. */
  queues: readonly string[];
  /** The maximum number of tasks that run at once. */
  concurrency: number;
  /**
   * The executor that runs the attempts, as in the option `executor` of `run`.
   *
   * @default {"shell"}
   */
  executor?: "shell" | "process" | undefined;
  /**
   * The maximum number of times that a task is redelivered after the loss of its worker. When the last worker is lost
   * too, the outcome is `killed`. At least 1, because a task that a worker returns before it begins can count as
   * redelivered.
   *
   * @default {3}
   */
  maxRedeliveries?: number | undefined;
  /** Called with status messages for people. */
  onNotice?: ((text: string) => void) | undefined;
}

/**
 * Takes tasks from queues and runs them until {@linkcode Worker.drain} is called. When the program is killed, its tasks are
 * killed too.
 *
 * @example Run a worker
 * ```ts
 * import { Worker } from "@x/taskrunner/nats";
 * import process from "node:process";
 *
 * async function work(url: string): Promise<void> {
 *   const worker = new Worker({ nats: { servers: url }, queues: ["build"], concurrency: 8 });
 *   process.once("SIGTERM", () => worker.drain());
 *   await worker.run();
 * }
 * ```
 */
export class Worker {
  readonly #options: WorkerOptions;
  /** The slots, which all runs of the worker share. */
  readonly #slots: Slots;
  readonly #runs = new Map<string, RunConsumer>();
  /** The streams of runs whose settings are invalid. */
  readonly #unusable = new Set<string>();
  #nats: Nats | undefined;
  /** The prefix of directories that are removed at the end, even when the program is killed. */
  readonly #temporaryPrefix = privateDirectoryName();
  readonly #guard = new ProcessGuard({
    adapter: defaultSpawnAdapter,
    removePrefixes: () => scratchLocations(0).map(({ path }) => join(path, this.#temporaryPrefix)),
  });
  readonly #connected = Promise.withResolvers<void>();
  #isDraining = false;
  #failure: { error: unknown } | undefined;
  /** True when the server was out of storage. */
  #isFull = false;
  readonly #drained = new AbortController();
  /** True when the worker has to look for runs immediately. */
  #mustPoll = false;
  /** Ends the wait for the next poll. */
  #wake = () => {};

  /**
   * Creates a worker, which does nothing before {@linkcode run} is called.
   *
   * @throws `RangeError` for an option that is out of range.
   */
  constructor(options: WorkerOptions) {
    for (const queue of options.queues) checkName(queue, "The name of a queue");
    const { concurrency, maxRedeliveries = 3 } = options;
    checkConcurrency(concurrency, "Cannot create the worker");
    checkInteger(maxRedeliveries, { name: "maxRedeliveries", min: 1 });
    this.#options = options;
    this.#slots = new Slots(options.concurrency);
  }

  /** Settles when the worker is connected. */
  get connected(): Promise<void> {
    return this.#connected.promise;
  }

  /**
   * Returns whether JetStream answers within two seconds: `true` from the connection until the end of {@linkcode run},
   * except while the connection is lost. A worker without a connection finishes its tasks and reconnects by itself, so do
   * not restart the worker for that reason.
   */
  async isHealthy(): Promise<boolean> {
    if (!this.#nats || this.#nats.connection.isClosed()) return false;
    // Workers need JetStream, of which a ping to the server would tell nothing.
    return await this.#nats.jsm.getAccountInfo().then(() => true, () => false);
  }

  /**
   * Runs tasks until {@linkcode drain} is called. Waits for a server that cannot be reached.
   *
   * @throws `Error` when the server rejects the login, or denies a permission that a worker needs.
   */
  async run(): Promise<void> {
    const { nats: connection, queues } = this.#options;
    try {
      const onNotice = (text: string) => this.#log(text);
      this.#nats = await connectNats(connection, { onNotice, waiting: this.#drained.signal });
    } catch (error) {
      if (this.#failure) throw this.#failure.error;
      if (this.#isDraining) return;
      throw error;
    }
    this.#connected.resolve();
    this.#watchAcknowledgements(this.#nats).catch((error) => this.#fail(error));
    for (const queue of queues) {
      this.#nats.connection.subscribe(changesOfQueue(queue), { callback: () => this.#poll() });
    }
    while (!this.#isDraining || this.#runs.size > 0) {
      this.#mustPoll = false;
      try {
        for (const queue of queues) await this.#findRuns(queue);
      } catch (error) {
        if (isForbidden(error) || this.#nats.connection.isClosed()) this.#fail(error);
        // Other errors are transient.
      }
      if (!this.#mustPoll) await this.#waitForPoll();
    }
    await this.#guard.close();
    const failure = this.#failure && await causeOf(this.#failure.error, this.#nats);
    await this.#nats.connection.drain().catch(() => {});
    if (failure) throw failure;
  }

  /** Stops taking tasks, returns tasks that have not begun, and finishes the running ones. */
  drain(): void {
    this.#isDraining = true;
    this.#drained.abort();
    this.#poll();
    for (const run of this.#runs.values()) run.drain();
  }

  /** Kills the running tasks. Other workers start these tasks again. */
  kill(): void {
    this.drain();
    for (const run of this.#runs.values()) run.abandon();
  }

  /** Fails when acknowledgments are forbidden. They have no reply, so the error arrives as a status of the connection. */
  async #watchAcknowledgements({ connection }: Nats): Promise<void> {
    for await (const { error } of connection.status()) {
      if (error && isForbidden(error) && error.message.includes('Publish to "$JS.ACK.')) this.#fail(error);
    }
  }

  /** Ends the worker with an error. */
  #fail(error: unknown): void {
    if (this.#failure) return;
    this.#failure = { error };
    this.kill();
  }

  #logFull(): void {
    if (!this.#isFull) this.#log("the server is out of storage; results wait until space is free");
    this.#isFull = true;
  }

  /** Reports a status message. An error that the callback throws ends the worker. */
  #log(text: string): void {
    try {
      this.#options.onNotice?.(text);
    } catch (error) {
      this.#fail(error);
    }
  }

  #poll(): void {
    this.#mustPoll = true;
    this.#wake();
  }

  async #waitForPoll(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, POLL_MS);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
  }

  async #findRuns(queue: string): Promise<void> {
    const found = new Set<string>();
    for await (const stream of this.#nats!.jsm.streams.names(subjectsOfQueue(queue))) {
      const run = namesOfStream(stream);
      if (run?.queue !== queue) continue;
      found.add(stream);
      if (this.#runs.has(stream) || this.#unusable.has(stream) || this.#isDraining) continue;
      const { executor, maxRedeliveries = 3 } = this.#options;
      const work = new RunConsumer(this.#nats!, run.names, this.#slots, {
        executor,
        maxRedeliveries,
        guard: this.#guard,
        temporaryPrefix: this.#temporaryPrefix,
        onForbidden: (error) => this.#fail(error),
        onUnusable: (error) => {
          this.#unusable.add(stream);
          const reason = systemReason(error);
          this.#log(`ignoring the run ${run.run} of the queue ${queue}: its settings are invalid: ${reason}`);
        },
        onFull: () => this.#logFull(),
      });
      this.#runs.set(stream, work);
      const forget = () => {
        this.#runs.delete(stream);
        if (this.#isDraining) this.#poll(); // this may have been the last run
      };
      work.ended.then(forget, forget);
    }
    const isGone = (stream: string) => namesOfStream(stream)?.queue === queue && !found.has(stream);
    for (const [stream, run] of this.#runs) if (isGone(stream)) run.abandon();
    for (const stream of this.#unusable) if (isGone(stream)) this.#unusable.delete(stream);
  }
}
