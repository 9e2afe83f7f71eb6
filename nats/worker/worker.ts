/** Carries out the attempts of other programs' runs, which come through NATS JetStream. @module */

import { join } from "node:path";
import { scratchPlaces } from "../../executors/shell/scratch_directory.ts";
import { systemReason } from "../../system/system_error.ts";
import { privateDirectoryName } from "../../system/temporary_directory.ts";
import { checkConcurrency } from "../../pool/options.ts";
import { defaultSpawnAdapter } from "../../spawn_adapters/mod.ts";
import { ProcessGuard } from "../../spawn_adapters/guard.ts";
import { causeOf, connectNats, isForbidden, type Nats } from "../client/connection.ts";
import { checkInteger, checkName, type NatsConnectionOptions } from "../client/options.ts";
import { changesOfQueue, namesOfStream, subjectsOfQueue } from "../client/protocol.ts";
import { Slots } from "./slots.ts";
import { RunConsumer } from "./run_consumer.ts";

/** How often it looks for new runs, and for those that have gone, without being told. */
const LOOK_MS = 5_000;

/** Options of {@linkcode Worker}. */
export interface WorkerOptions {
  /** Where the server is. */
  nats: NatsConnectionOptions;
  /** The queues that it takes tasks from. */
  queues: readonly string[];
  /** How many tasks run at once, at most. */
  concurrency: number;
  /** What carries out the attempts, as the option `executor` of `run`. */
  executor?: "shell" | "process" | undefined;
  /**
   * How often a task is begun again, at most, after its worker was lost. When it is lost once more, the outcome is `killed`.
   * At least 1: a task that a worker hands back without having begun it can count as lost, once.
   *
   * @default {3}
   */
  maxRedeliveries?: number | undefined;
  /** Is told what there is to know. */
  onNotice?: ((text: string) => void) | undefined;
}

/**
 * Takes tasks from queues, and runs them, until it is told to stop. When the program is killed, so is what it runs.
 *
 * @example
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
  readonly #slots: Slots;
  readonly #runs = new Map<string, RunConsumer>();
  /** Runs whose settings are not right, so that nothing of them can be done. */
  readonly #unusable = new Set<string>();
  #nats: Nats | undefined;
  /** What is called so is removed at the end, also when the program is killed. */
  readonly #temporaryPrefix = privateDirectoryName();
  readonly #guard = new ProcessGuard({
    adapter: defaultSpawnAdapter,
    removes: () => scratchPlaces(0).map(({ path }) => join(path, this.#temporaryPrefix)),
  });
  readonly #connected = Promise.withResolvers<void>();
  #isDraining = false;
  #failure: { error: unknown } | undefined;
  /** The server has had no room. */
  #isFull = false;
  readonly #drained = new AbortController();
  /** There is a reason to look for runs. */
  #mustLook = false;
  /** Ends the wait for one. */
  #wake = () => {};

  /**
   * Makes a worker. It does nothing before {@linkcode run} is called.
   *
   * @throws `RangeError` for an option that is out of range.
   */
  constructor(options: WorkerOptions) {
    for (const queue of options.queues) checkName(queue, "The name of a queue");
    const { concurrency, maxRedeliveries = 3 } = options;
    checkConcurrency(concurrency, "Cannot make the worker");
    checkInteger(maxRedeliveries, { name: "maxRedeliveries", min: 1 });
    this.#options = options;
    this.#slots = new Slots(options.concurrency);
  }

  /** Settles when there is a connection. */
  get connected(): Promise<void> {
    return this.#connected.promise;
  }

  /**
   * Works until {@linkcode drain} is called. It waits for a server that cannot be reached.
   *
   * @throws `Error` when the server does not let it in, or does not let it do what a worker does.
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
      this.#nats.connection.subscribe(changesOfQueue(queue), { callback: () => this.#look() });
    }
    while (!this.#isDraining || this.#runs.size > 0) {
      this.#mustLook = false;
      try {
        for (const queue of queues) await this.#findRuns(queue);
      } catch (error) {
        if (isForbidden(error) || this.#nats.connection.isClosed()) this.#fail(error);
        // Else the server will answer again.
      }
      if (!this.#mustLook) await this.#untilLook();
    }
    await this.#guard.close();
    const failure = this.#failure && await causeOf(this.#failure.error, this.#nats);
    await this.#nats.connection.drain().catch(() => {});
    if (failure) throw failure;
  }

  /** Takes no more tasks, hands back those that have not begun, and lets the others finish. */
  drain(): void {
    this.#isDraining = true;
    this.#drained.abort();
    this.#look();
    for (const run of this.#runs.values()) run.drain();
  }

  /** Ends what runs: somebody else will begin it again. */
  kill(): void {
    this.drain();
    for (const run of this.#runs.values()) run.abandon();
  }

  /** That a task is done is said without waiting for an answer, so what forbids it comes by another way. */
  async #watchAcknowledgements({ connection }: Nats): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type !== "error" || !isForbidden(status.error)) continue;
      if (status.error.message.includes('Publish to "$JS.ACK.')) this.#fail(status.error);
    }
  }

  /** The server lets this worker do no more. */
  #fail(error: unknown): void {
    if (this.#failure) return;
    this.#failure = { error };
    this.kill();
  }

  #logFull(): void {
    if (!this.#isFull) this.#log("the server has no room for results; they wait until it has");
    this.#isFull = true;
  }

  /** Tells the caller something. What it throws ends the worker. */
  #log(text: string): void {
    try {
      this.#options.onNotice?.(text);
    } catch (error) {
      this.#fail(error);
    }
  }

  #look(): void {
    this.#mustLook = true;
    this.#wake();
  }

  async #untilLook(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, LOOK_MS);
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
          this.#log(`cannot work for the run ${run.run} of the queue ${queue}: its settings are not right: ${reason}`);
        },
        onFull: () => this.#logFull(),
      });
      this.#runs.set(stream, work);
      const forget = () => {
        this.#runs.delete(stream);
        if (this.#isDraining) this.#look(); // it may have been the last one
      };
      work.ended.then(forget, forget);
    }
    const isGone = (stream: string) => namesOfStream(stream)?.queue === queue && !found.has(stream);
    for (const [stream, run] of this.#runs) if (isGone(stream)) run.abandon();
    for (const stream of this.#unusable) if (isGone(stream)) this.#unusable.delete(stream);
  }
}
