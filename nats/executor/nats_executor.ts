/** Runs attempts on workers on other machines, through a stream of NATS JetStream. @module */

import { hash, randomBytes, randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { discardOutput, outputLost } from "../../executors/output.ts";
import { type OutputStream, SpillDirectory } from "../../executors/spill_directory.ts";
import { environmentOf } from "../../executors/task_variables.ts";
import {
  type Attempt,
  type AttemptResult,
  type AttemptStop,
  type Execution,
  type Executor,
  type ExecutorSettings,
  type Output,
  resultWithoutOutput,
} from "../../pool/executor.ts";
import { systemReason } from "../../system/system_error.ts";
import { MAX_TIMEOUT_MS } from "../../records/task.ts";
import { lineOfTask } from "../../records/task_input.ts";
import {
  causeOf,
  connectNats,
  isMissing,
  type Nats,
  ObjectsRemovedError,
  retryTransient,
  unlessMissing,
} from "../client/connection.ts";
import type { NatsOptions } from "../client/options.ts";
import type { Consumer, DeliveredMessage } from "../client/packages.ts";
import {
  type ControlMessage,
  type ControlReply,
  decode,
  encode,
  keyOf,
  PROTOCOL_VERSION,
  type RemoteOutput,
  type ResultMessage,
  type RunConfig,
  type TaskMessage,
  TASKS_CONSUMER,
} from "../client/protocol.ts";
import { checkReply, checkResult, maxResultBytes } from "../client/check_message.ts";
import { Semaphore } from "../client/semaphore.ts";
import { addResultsConsumer, isTakenOver, openRunStream, publishOnce, type RunStream } from "./run_stream.ts";
import { removeStream } from "../client/runs.ts";

/** The maximum number of tasks that are sent but not confirmed. */
const MAX_IN_FLIGHT = 128;
/** The duration of a request for results, after which an unresponsive server is detected. */
const PULL_MS = 4_000;
/** The interval at which an ending run asks its workers for their running attempts. */
const ASK_MS = 2_000;
/** The time after which the run reports that no worker has taken a task. */
const NO_WORKER_MS = 5_000;
/** The longest time that an unresponsive server can delay the end of a run. */
const ANSWER_DEADLINE_MS = 5_000;
/** The longest time to create a run, which includes the start of a cluster. */
const OPEN_MS = 30_000;
/** The pause before the second question to the workers. */
const ASK_AGAIN_MS = 300;
/** The time after which a delivered attempt that no worker reports counts as not begun. Longer than most network problems. */
const UNREPORTED_MS = 6_000;
/** The interval at which the run checks that the server still has its tasks, while no results arrive. */
const POLL_MS = 5_000;
/** The number of consecutive checks that must fail. A new leader may not have all messages at first. */
const MAX_MISSED = 2;
/** The maximum number of results whose outputs are fetched at the same time. */
const MAX_SETTLING = 16;
/** The longest time for the replies of all workers, and the longest gap between two replies. */
const ANSWER_MS = { maxWait: 1_000, stall: 300 };

/** The default concurrency: high, because many machines may wait for tasks. */
export const NATS_CONCURRENCY = 10_000;

/** Sends attempts to workers, and waits for their results. */
export class NatsExecutor implements Executor {
  readonly concurrency = NATS_CONCURRENCY;
  /** True, because the time of an attempt starts when a worker begins it, not when it is sent. */
  readonly enforcesTimeout = true;
  readonly #options: NatsOptions;
  readonly #config: RunConfig;
  readonly #spillDirectory: SpillDirectory;
  readonly #run: string;
  /** A random part of the names on the server, which makes them unique. */
  readonly #nonce = randomBytes(8).toString("hex");
  #nats: Nats | undefined;
  /** Present when the run is open. */
  #stream: RunStream | undefined;
  /** Attempts that have not ended, by key. */
  readonly #pending = new Map<string, RemoteExecution>();
  /** The keys that this run has used, if it was resumed. Other keys may have results of the interrupted run. */
  readonly #claimed = new Set<string>();
  readonly #sending = new Semaphore(MAX_IN_FLIGHT);
  /** Present when no further attempts may begin. */
  #ending: Promise<void> | undefined;
  /** The time from SIGTERM to SIGKILL, when running attempts are to be terminated. */
  #killAfterMs: number | undefined;
  #noWorkerTimer: ReturnType<typeof setTimeout> | undefined;
  #pollTimer: ReturnType<typeof setInterval> | undefined;
  #isPolling = false;
  /** The number of results so far. */
  #settled = 0;
  /** The value of {@linkcode #settled} at the last poll, and the number of polls in a row that missed a task since. */
  #lastPoll = { settled: 0, missed: 0 };
  readonly #closed = new AbortController();
  /** Aborted when no more tasks are sent. */
  readonly #sends = new AbortController();
  /** Called with the reason when the run cannot continue. */
  #onFailure!: (error: Error) => void;
  /** Aborted when the run ends before it is open. */
  readonly #opening = new AbortController();
  /** True when the stream is to be removed at the end. */
  #isOurs = false;
  /** True once no worker can take a task. Before, a worker whose tasks are terminated would begin others. */
  #isConsumerRemoved = false;
  /** True when the server did not answer at the end of the run. */
  #hasLeft = false;

  constructor(
    options: NatsOptions,
    { shell, maxInlineBytes, maxOutputBytes, killAfterMs, spillDir }: ExecutorSettings,
  ) {
    this.#options = options;
    this.#run = options.run ?? randomBytes(8).toString("hex");
    this.#spillDirectory = new SpillDirectory(spillDir);
    this.#config = {
      version: PROTOCOL_VERSION,
      shell,
      maxInlineBytes,
      maxOutputBytes: maxOutputBytes === Infinity ? null : maxOutputBytes,
      killAfterMs: Math.min(killAfterMs, MAX_TIMEOUT_MS),
      ackWaitMs: options.ackWaitMs ?? 30_000,
    };
  }

  async open(onFailure: (error: Error) => void): Promise<void> {
    this.#onFailure = onFailure;
    const { resume = false, replicas = 1, queue } = this.#options;
    const config = this.#config;
    const nats = this.#nats = await connectNats(this.#options, { onNotice: (text) => this.#log(text) });
    const stream = await openRunStream(
      nats,
      { queue, run: this.#run, resume, replicas, config, nonce: this.#nonce },
      { signal: this.#opening.signal, deadlineMs: OPEN_MS },
    );
    this.#stream = stream;
    this.#isOurs = true;
    nats.connection.subscribe(stream.names.full, {
      max: 1,
      callback: (error) => {
        if (!error) this.#log("the server is out of storage; results wait at their workers until space is free");
      },
    });
    this.#noWorkerTimer = setTimeout(() => {
      this.#lookForWorker().catch(() => {});
    }, NO_WORKER_MS);
    this.#pollTimer = setInterval(() => {
      this.#poll().catch(() => {});
    }, POLL_MS);
    this.#readResults(stream.results).catch(async (error) => {
      if (!this.#closed.signal.aborted) this.#fail(await causeOf(error, nats));
    });
  }

  start(attempt: Attempt): Execution {
    const execution = new RemoteExecution(attempt, (killAfterMs) => this.#terminate(killAfterMs));
    this.#sending.run(() => this.#send(attempt, execution)).catch(async (error) => {
      if (!execution.isSent) execution.withdraw(); // else the end of the run asks the workers for the attempt
      this.#giveUp(await causeOf(error, this.#nats!));
    });
    return execution;
  }

  drain(): void {
    if (this.#stream) this.#ending ??= this.#end().catch((error) => this.#leave(error));
    else this.#opening.abort();
  }

  discard({ stdout, stderr }: AttemptResult): Promise<void> {
    return discardOutput(stdout, stderr);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    clearTimeout(this.#noWorkerTimer);
    clearInterval(this.#pollTimer);
    await this.#spillDirectory.close();
    if (!this.#nats) return;
    try {
      if (this.#stream && this.#isOurs && !this.#hasLeft) await removeStream(this.#nats, this.#stream.names);
    } finally {
      await this.#nats.connection.close();
    }
  }

  async #lookForWorker(): Promise<void> {
    const { stream } = this.#stream!.names;
    const { delivered, num_pending } = await this.#nats!.jsm.consumers.info(stream, TASKS_CONSUMER);
    if (num_pending > 0 && delivered.consumer_seq === 0) {
      this.#log(`no worker of the queue ${this.#options.queue} has taken a task yet`);
    }
  }

  /** Reports a status message. An error that the callback throws ends the run. */
  #log(text: string): void {
    try {
      this.#options.onNotice?.(text);
    } catch (error) {
      this.#onFailure(error as Error);
    }
  }

  /** Sends an attempt, or takes the result that an earlier run left for it. */
  async #send(attempt: Attempt, execution: RemoteExecution): Promise<void> {
    this.#sends.signal.throwIfAborted();
    const { id, number, timeoutMs } = attempt;
    const task = lineOfTask(attempt.task);
    // The fields that only the pool needs.
    const { meta: _meta, after: _after, runIf: _runIf, priority: _priority, uses: _uses, slots: _slots, ...taskToRun } =
      task;
    const message: TaskMessage = { task: { ...taskToRun, env: environmentOf(attempt) }, id, number, timeoutMs };
    // Hashes the task without the variables that hooks add: these differ when the run is resumed.
    const digest = hash("sha256", encode({ task, id, number })).slice(0, 32);
    const { names, objects, isResumed } = this.#stream!;
    const until = { signal: this.#sends.signal };
    // A unique name, because storing an object replaces an object of the same name, which a message may reference.
    const bytes = objects.packInline(message) ?? await objects.pack(message, `${digest}/${randomUUID()}`, until);
    for (let copy = 1;; copy++) {
      const key = copy === 1 ? digest : `${digest}-${copy}`;
      if (this.#pending.has(key) || this.#claimed.has(key)) continue;
      this.#sends.signal.throwIfAborted();
      this.#pending.set(key, execution);
      if (isResumed) this.#claimed.add(key);
      execution.isSent = true;
      execution.sequence = await publishOnce(this.#nats!, names, { subject: names.task(key), bytes }, until);
      execution.isStored = execution.sequence !== undefined || isResumed;
      if (execution.sequence) return;
      if (isResumed) return await this.#takeUp(key);
      this.#pending.delete(key); // the key belongs to an equal task
      execution.isSent = false;
    }
  }

  /** Fetches a result that the consumer does not deliver: an earlier one, or one that the server has skipped. */
  async #takeUp(key: string): Promise<void> {
    const { names } = this.#stream!;
    const last = { last_by_subj: names.result(key) };
    // Asks the leader, because the data of another server may be outdated.
    const message = await retryTransient(() => this.#nats!.jsm.streams.getMessage(names.stream, last));
    if (message) await this.#settle(key, message.data);
  }

  async #readResults(results: Consumer): Promise<void> {
    const { signal } = this.#closed;
    const settling = new Set<Promise<void>>();
    const settle = async (message: DeliveredMessage) => {
      await this.#settle(keyOf(message.subject), message.data);
      this.#nats!.outbox.add(() => message.ack());
    };
    while (!signal.aborted) {
      try {
        for await (const message of await results.consume({ abort_on_missing_resource: true, expires: PULL_MS })) {
          const settled = settle(message).catch(() => {}).finally(() => settling.delete(settled));
          settling.add(settled);
          if (settling.size >= MAX_SETTLING) await Promise.race(settling);
        }
      } catch {
        // The request below has the reason.
      }
      try {
        await retryTransient(() => results.info(), { signal });
      } catch (error) {
        results = await this.#restoreConsumer(error);
      }
    }
  }

  /** Recreates the consumer of results when it was removed, unless another program has taken over the run. */
  async #restoreConsumer(error: unknown): Promise<Consumer> {
    if ((error as Error).name !== "ConsumerNotFoundError") throw error;
    const { names, config: { ackWaitMs } } = this.#stream!;
    const until = { signal: this.#closed.signal };
    if (await isTakenOver(this.#nats!, names, this.#nonce, until)) throw error;
    return await addResultsConsumer(this.#nats!, names, { nonce: this.#nonce, ackWaitMs, isAgain: true }, until);
  }

  /**
   * Checks that the server still has all tasks. A task that was sent waits for delivery, is with a worker, or has a result.
   * Otherwise another client has purged the stream, or removed messages or the consumer.
   */
  async #poll(): Promise<void> {
    const { settled, missed } = this.#lastPoll;
    this.#lastPoll = { settled: this.#settled, missed: 0 };
    if (this.#isPolling || this.#ending || settled !== this.#settled) return;
    this.#isPolling = true;
    try {
      const count = await this.#countMissing();
      if (count === 0 || settled !== this.#settled || this.#ending) return;
      this.#lastPoll = { settled, missed: missed + 1 };
      if (missed + 1 < MAX_MISSED) return;
      const what = count === 1 ? "1 task has" : `${count} tasks have`;
      const { stream } = this.#stream!.names;
      const why = `the stream ${stream} was purged or changed, or a worker has dropped tasks that it took`;
      this.#giveUp(damaged(`${what} neither a result nor a message on the server: ${why}`));
    } catch (error) {
      if ((error as Error).name !== "ConsumerNotFoundError") throw error; // the reader of results handles it
      const { stream } = this.#stream!.names;
      this.#giveUp(
        damaged(`the consumer ${TASKS_CONSUMER} of the stream ${stream} was removed from the server`, error),
      );
    } finally {
      this.#isPolling = false;
    }
  }

  /**
   * Counts the attempts that have neither a result nor a message on the server. Takes results that were not delivered.
   */
  async #countMissing(): Promise<number> {
    const sent = [...this.#pending].filter(([, { isStored }]) => isStored).map(([key]) => key);
    const until = { deadlineMs: ANSWER_DEADLINE_MS };
    const { stream } = this.#stream!.names;
    const info = await retryTransient(() => this.#nats!.jsm.consumers.info(stream, TASKS_CONSUMER), until);
    const count = info.num_pending + info.num_ack_pending;
    const missing = () => sent.filter((key) => this.#pending.has(key)).length - count;
    if (missing() <= 0) return 0;
    const done = await this.#keysWithResult();
    for (const key of sent) if (done.has(key)) await this.#takeUp(key);
    return Math.max(0, missing());
  }

  /** Ends the run with an error, after the running attempts. */
  #giveUp(error: Error): void {
    if (this.#ending || this.#closed.signal.aborted) return;
    this.#onFailure(error instanceof ObjectsRemovedError ? damaged(error.message, error) : error);
  }

  async #settle(key: string, bytes: Uint8Array): Promise<void> {
    const execution = this.#pending.get(key);
    if (!execution) return;
    this.#pending.delete(key);
    this.#settled++;
    const { objects, config } = this.#stream!;
    try {
      const value = await objects.unpack(bytes, maxResultBytes(config), { signal: this.#closed.signal });
      const result = checkResult(value, config);
      const hasObjects = result.stdout.object !== undefined || result.stderr.object !== undefined;
      execution.settle(hasObjects ? await this.#fetchOutputs(result, execution.attempt) : result);
    } catch (error) {
      const isRemoved = error instanceof ObjectsRemovedError;
      if (isRemoved) this.#giveUp(error);
      if (this.#closed.signal.aborted || isRemoved || isMissing(error)) return execution.withdraw(); // the run is ending
      const reason = `The worker recorded an invalid result: ${systemReason(error)}`;
      execution.settle(resultWithoutOutput({ kind: "lost", reason }));
    }
  }

  /** Downloads the outputs of a result. */
  async #fetchOutputs(result: ResultMessage, attempt: Attempt): Promise<AttemptResult> {
    const stdout = await this.#fetch(result.stdout, attempt, "stdout");
    const stderr = await this.#fetch(result.stderr, attempt, "stderr");
    const outputError = result.outputError ?? stdout.error ?? stderr.error;
    return { ...result, stdout: stdout.output, stderr: stderr.output, outputError };
  }

  /** Downloads an output to the file that a local executor would write. */
  async #fetch(
    { object, ...output }: RemoteOutput,
    attempt: Attempt,
    stream: OutputStream,
  ): Promise<{ output: Output; error?: string }> {
    if (!object) return { output };
    try {
      const { path, handle } = await this.#spillDirectory.create(attempt, stream);
      try {
        await this.#stream!.objects.get(object, handle, { signal: this.#closed.signal });
      } catch (error) {
        await rm(path, { force: true });
        throw error;
      } finally {
        await handle.close();
      }
      return { output: { ...output, file: path } };
    } catch (error) {
      if (isMissing(error) || error instanceof ObjectsRemovedError) throw error;
      return { output, error: outputLost(systemReason(error)) };
    }
  }

  #terminate(killAfterMs: number): void {
    killAfterMs = Math.min(killAfterMs, MAX_TIMEOUT_MS); // a longer timer would fire immediately
    const isSooner = killAfterMs < (this.#killAfterMs ?? Infinity);
    this.#killAfterMs = Math.min(killAfterMs, this.#killAfterMs ?? Infinity);
    if (this.#isConsumerRemoved && isSooner) this.#askWorkers().catch(() => {}); // else draining asks them
    this.drain();
  }

  /** Withdraws the attempts that no worker has begun, and waits for the others. */
  async #end(): Promise<void> {
    this.#sends.abort();
    await Promise.resolve(); // so that one message terminates all attempts
    const { stream } = this.#stream!.names;
    const { jsm } = this.#nats!;
    const until = { deadlineMs: ANSWER_DEADLINE_MS };
    let handedOut = Infinity;
    await unlessMissing((async () => {
      ({ stream_seq: handedOut } = (await retryTransient(() =>
        jsm.consumers.info(stream, TASKS_CONSUMER), until)).delivered);
      await retryTransient(() => jsm.consumers.delete(stream, TASKS_CONSUMER), until);
    })());
    this.#isConsumerRemoved = true;
    const unreportedSinceMs = new Map<string, number>();
    let wasDone = new Set<string>();
    for (let waitMs = ASK_AGAIN_MS; this.#pending.size > 0; waitMs = ASK_MS) {
      const candidates = [...this.#pending];
      const { running, returned } = await this.#askWorkers();
      const done = await this.#keysWithResult();
      for (const [key, execution] of candidates) {
        if (wasDone.has(key)) await this.#takeUp(key); // its delivery is overdue
        const isUnreported = !running.has(key) && !done.has(key);
        const sinceMs = unreportedSinceMs.get(key) ?? performance.now();
        if (isUnreported) unreportedSinceMs.set(key, sinceMs);
        else unreportedSinceMs.delete(key);
        // An attempt that was delivered between the two requests is reported at the second request.
        const wasDelivered = execution.sequence === undefined || execution.sequence <= handedOut;
        const graceMs = wasDelivered && !returned.has(key) ? UNREPORTED_MS : ASK_AGAIN_MS;
        if (!isUnreported || performance.now() - sinceMs < graceMs) continue;
        execution.withdraw();
        this.#pending.delete(key);
      }
      wasDone = done;
      if (this.#pending.size > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  /** Asks the workers for the keys of their attempts. If the run is stopped, makes them terminate the running ones. */
  async #askWorkers(): Promise<{ running: Set<string>; returned: Set<string> }> {
    const message: ControlMessage = { killAfterMs: this.#killAfterMs };
    const running = new Set<string>();
    const returned = new Set<string>();
    try {
      const replies = await this.#nats!.connection.requestMany(this.#stream!.names.control, encode(message), {
        strategy: "stall",
        ...ANSWER_MS,
      });
      for await (const { data } of replies) {
        const reply = replyIn(data);
        for (const key of reply.running) running.add(key);
        for (const key of reply.returned ?? []) returned.add(key);
      }
    } catch {
      // No worker, or no connection.
    }
    return { running, returned };
  }

  async #keysWithResult(): Promise<Set<string>> {
    const { names } = this.#stream!;
    const filter = { subjects_filter: names.result() };
    const until = { deadlineMs: ANSWER_DEADLINE_MS };
    const { state } = await retryTransient(() => this.#nats!.jsm.streams.info(names.stream, filter), until);
    return new Set(Object.keys(state.subjects ?? {}).map(keyOf));
  }

  /** Ends the run without the unresponsive server. */
  #leave(error: unknown): void {
    if (!isMissing(error) && !this.#closed.signal.aborted) {
      this.#hasLeft = true;
      this.#log("the server does not answer; running tasks continue without this run");
    }
    this.#withdrawAll();
  }

  /** Ends the run immediately with an error. */
  #fail(error: unknown): void {
    const isTakenOver = (error as Error).name === "ConsumerNotFoundError";
    if (isTakenOver) this.#isOurs = false;
    this.#ending ??= Promise.resolve();
    this.#sends.abort();
    this.#withdrawAll();
    if (isTakenOver) this.#onFailure(new Error("another run with --resume has taken over this run", { cause: error }));
    else if (!isMissing(error)) this.#onFailure(error as Error);
    else {
      const { stream } = this.#stream!.names;
      this.#onFailure(damaged(`the run was removed from the server, its stream ${stream} is not there`, error));
    }
  }

  #withdrawAll(): void {
    for (const execution of this.#pending.values()) execution.withdraw();
    this.#pending.clear();
  }
}

/** Reads the reply of a worker. An invalid reply has no keys. */
function replyIn(bytes: Uint8Array): ControlReply {
  try {
    return checkReply(decode(bytes));
  } catch {
    return { running: [] };
  }
}

/** Returns the error for a run that another client has damaged on the server. */
function damaged(reason: string, cause?: unknown): Error {
  return new Error(`${reason}; --resume runs the tasks without a result`, { cause });
}

/** An attempt on another machine. */
class RemoteExecution implements Execution {
  readonly attempt: Attempt;
  /** True when a worker may have the attempt. */
  isSent = false;
  /** True when the server has stored the attempt. */
  isStored = false;
  /** The sequence number of its message in the stream, if this run has sent the message. */
  sequence: number | undefined;
  readonly #result = Promise.withResolvers<AttemptResult>();
  readonly #terminate: (killAfterMs: number) => void;

  constructor(attempt: Attempt, terminate: (killAfterMs: number) => void) {
    this.attempt = attempt;
    this.#terminate = terminate;
  }

  get ended(): Promise<AttemptResult> {
    return this.#result.promise;
  }

  /** Makes the worker terminate the attempt. The worker records the reason. */
  terminate(_reason: AttemptStop, killAfterMs: number): void {
    this.#terminate(killAfterMs);
  }

  /** Ends the attempt with a result. */
  settle(result: AttemptResult): void {
    this.#result.resolve(result);
  }

  /** Ends an attempt that never began. */
  withdraw(): void {
    this.settle(resultWithoutOutput({ kind: "withdrawn" }));
  }
}
