/** Has attempts carried out by workers on other machines, through a stream of NATS JetStream. @module */

import type { Consumer, JsMsg } from "@nats-io/jetstream";
import { createHash, randomBytes, randomUUID } from "node:crypto";
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
import {
  type ControlMessage,
  decode,
  encode,
  keyOf,
  PROTOCOL_VERSION,
  type RemoteOutput,
  type RunConfig,
  type TaskMessage,
  TASKS_CONSUMER,
} from "../client/protocol.ts";
import { checkReply, checkResult, maxResultBytes } from "../client/check_message.ts";
import { addResultsConsumer, isTakenOver, openRunStream, publishOnce, type RunStream } from "./run_stream.ts";
import { removeStream } from "../client/runs.ts";

/** How many tasks are sent before the first of them is known to have arrived. */
const MAX_IN_FLIGHT = 128;
/** How long the server is asked for results at a time: that it does not answer is noticed after so long. */
const PULL_MS = 4_000;
/** How often the workers are asked what they are still running, when that is all there is to wait for. */
const ASK_MS = 2_000;
/** After so long it is said that nobody has taken a task. */
const NO_WORKER_MS = 5_000;
/** How long a server that does not answer keeps a run from ending. */
const ANSWER_DEADLINE_MS = 5_000;
/** How long it is tried to make a run. A cluster that starts needs a while. */
const OPEN_MS = 30_000;
/** How soon they are asked for the second time. */
const ASK_AGAIN_MS = 300;
/** How long nobody may say that a task is running that was handed out. Longer than most troubles of a network. */
const UNHEARD_MS = 6_000;
/** How often it is looked whether the server still has what the run waits for, when no result has come meanwhile. */
const LOOK_MS = 5_000;
/** How often in a row it must not have it: a server that has just started, or become the leader, may not know all of it yet. */
const MAX_MISSED = 2;
/** How many results are taken up at once: each may have large outputs to be fetched. */
const MAX_SETTLING = 16;
/** How long they may take to answer, and how long after the last answer nobody waits for another one. */
const ANSWER_MS = { maxWait: 1_000, stall: 300 };

/** Hands attempts to workers, and waits for what they say of them. */
export class NatsExecutor implements Executor {
  /** Many machines may be waiting for tasks. */
  readonly concurrency = 10_000;
  /** A task may wait for a worker. */
  readonly keepsTime = true;
  readonly #options: NatsOptions;
  readonly #config: RunConfig;
  readonly #spillDirectory: SpillDirectory;
  readonly #run: string;
  /** In the names of what is made on the server, which nobody else has. */
  readonly #nonce = randomBytes(8).toString("hex");
  #nats: Nats | undefined;
  /** Set when the run is open. */
  #stream: RunStream | undefined;
  /** Attempts that have not ended, by their keys. */
  readonly #pending = new Map<string, RemoteExecution>();
  /** Keys that this run has used, when it is resumed: of others there may be results from before. */
  readonly #claimed = new Set<string>();
  readonly #sending = new Limit(MAX_IN_FLIGHT);
  /** Set when no attempt is to be begun any more. */
  #ending: Promise<void> | undefined;
  /** What those that run are to be ended with. */
  #killAfterMs: number | undefined;
  #noWorkerTimer: ReturnType<typeof setTimeout> | undefined;
  #lookTimer: ReturnType<typeof setInterval> | undefined;
  #isLooking = false;
  /** How many results have come. */
  #settled = 0;
  /** What {@linkcode #settled} was at the last look, and how often in a row something was missing since. */
  #lastLook = { settled: 0, missed: 0 };
  readonly #closed = new AbortController();
  /** Aborted when nothing more is to be sent. */
  readonly #sends = new AbortController();
  /** Is told why the run cannot go on. */
  #onFailure!: (error: Error) => void;
  /** Aborted when the run is to end before it was opened. */
  readonly #opening = new AbortController();
  /** Whether the stream is to be removed at the end. */
  #isOurs = false;
  /** The server did not answer when the run was to end. */
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
        if (!error) this.#log("the server has no room for results; they wait at their workers until it has");
      },
    });
    this.#noWorkerTimer = setTimeout(() => {
      this.#lookForWorker().catch(() => {});
    }, NO_WORKER_MS);
    this.#lookTimer = setInterval(() => {
      this.#look().catch(() => {});
    }, LOOK_MS);
    this.#readResults(stream.results).catch(async (error) => {
      if (!this.#closed.signal.aborted) this.#fail(await causeOf(error, nats));
    });
  }

  start(attempt: Attempt): Execution {
    const execution = new RemoteExecution(attempt, (killAfterMs) => this.#terminate(killAfterMs));
    this.#sending.run(() => this.#send(attempt, execution)).catch(async (error) => {
      if (!execution.isSent) execution.withdraw(); // else it is looked for at the end
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
    clearInterval(this.#lookTimer);
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

  /** Tells the caller something. What it throws ends the run. */
  #log(text: string): void {
    try {
      this.#options.onNotice?.(text);
    } catch (error) {
      this.#onFailure(error as Error);
    }
  }

  /** Sends an attempt, or finds out what became of it before. */
  async #send(attempt: Attempt, execution: RemoteExecution): Promise<void> {
    this.#sends.signal.throwIfAborted();
    const { id, number, timeoutMs } = attempt;
    const task = lineOfTask(attempt.task);
    const { meta: _, ...taskToRun } = task; // which nobody needs there
    const message: TaskMessage = { task: { ...taskToRun, env: environmentOf(attempt) }, id, number, timeoutMs };
    // By the task as it was given: what a run adds to its environment is another thing in the run that resumes it.
    const hash = createHash("sha256").update(encode({ task, id, number })).digest("hex").slice(0, 32);
    const { names, objects, isResumed } = this.#stream!;
    const until = { signal: this.#sends.signal };
    // An object that is stored again under its name takes the place of the one that a message may stand for already.
    const bytes = await objects.pack(message, `${hash}/${randomUUID()}`, until);
    for (let copy = 1;; copy++) {
      const key = copy === 1 ? hash : `${hash}-${copy}`;
      if (this.#pending.has(key) || this.#claimed.has(key)) continue;
      this.#sends.signal.throwIfAborted();
      this.#pending.set(key, execution);
      if (isResumed) this.#claimed.add(key);
      execution.isSent = true;
      execution.sequence = await publishOnce(this.#nats!, names, { subject: names.task(key), bytes }, until);
      execution.isStored = execution.sequence !== undefined || isResumed;
      if (execution.sequence) return;
      if (isResumed) return await this.#takeUp(key);
      this.#pending.delete(key); // the same task was there before
      execution.isSent = false;
    }
  }

  /** Takes the result of an attempt that is there and will not come: it was there before, or the server has passed it over. */
  async #takeUp(key: string): Promise<void> {
    const { names } = this.#stream!;
    const last = { last_by_subj: names.result(key) };
    // The leader is asked: of another server's answer it is not known how old it is, and this is asked only once.
    const message = await retryTransient(() => this.#nats!.jsm.streams.getMessage(names.stream, last));
    if (message) await this.#settle(key, message.data);
  }

  async #readResults(results: Consumer): Promise<void> {
    const { signal } = this.#closed;
    const settling = new Set<Promise<void>>();
    const settle = async (message: JsMsg) => {
      await this.#settle(keyOf(message.subject), message.data);
      message.ack();
    };
    while (!signal.aborted) {
      try {
        for await (const message of await results.consume({ abort_on_missing_resource: true, expires: PULL_MS })) {
          const settled = settle(message).catch(() => {}).finally(() => settling.delete(settled));
          settling.add(settled);
          if (settling.size >= MAX_SETTLING) await Promise.race(settling);
        }
      } catch {
        // What that was, the server can say.
      }
      try {
        await retryTransient(() => results.info(), { signal });
      } catch (error) {
        results = await this.#readAgain(error);
      }
    }
  }

  /** Makes anew what results are read through when somebody has removed it who does not read them instead. */
  async #readAgain(error: unknown): Promise<Consumer> {
    if ((error as Error).name !== "ConsumerNotFoundError") throw error;
    const { names, config: { ackWaitMs } } = this.#stream!;
    const until = { signal: this.#closed.signal };
    if (await isTakenOver(this.#nats!, names, this.#nonce, until)) throw error;
    return await addResultsConsumer(this.#nats!, names, { nonce: this.#nonce, ackWaitMs, isAgain: true }, until);
  }

  /**
   * Looks whether the server still has what the run waits for. What was sent is to be handed out, or with a worker, or has a
   * result; else somebody has purged the stream, removed messages from it, or removed what the tasks are handed out by.
   */
  async #look(): Promise<void> {
    const { settled, missed } = this.#lastLook;
    this.#lastLook = { settled: this.#settled, missed: 0 };
    if (this.#isLooking || this.#ending || settled !== this.#settled) return;
    this.#isLooking = true;
    try {
      const count = await this.#countMissing();
      if (count === 0 || settled !== this.#settled || this.#ending) return;
      this.#lastLook = { settled, missed: missed + 1 };
      if (missed + 1 < MAX_MISSED) return;
      const what = count === 1 ? "1 task has" : `${count} tasks have`;
      const { stream } = this.#stream!.names;
      const why = `the stream ${stream} was purged or changed, or a worker has dropped what it took`;
      this.#giveUp(damaged(`${what} neither a result nor a place on the server: ${why}`));
    } catch (error) {
      if ((error as Error).name !== "ConsumerNotFoundError") throw error; // what that was, the reader of results is told
      const { stream } = this.#stream!.names;
      this.#giveUp(
        damaged(`the consumer ${TASKS_CONSUMER} of the stream ${stream} was removed from the server`, error),
      );
    } finally {
      this.#isLooking = false;
    }
  }

  /** How many attempts the server does not have although they have no result. Takes results that have not come. */
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

  /** What is still to be done cannot be done by this run. What workers have begun is waited for. */
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
      const [stdout, stderr] = [
        await this.#fetch(result.stdout, execution.attempt, "stdout"),
        await this.#fetch(result.stderr, execution.attempt, "stderr"),
      ];
      const outputError = result.outputError ?? stdout.error ?? stderr.error;
      execution.settle({ ...result, stdout: stdout.output, stderr: stderr.output, outputError });
    } catch (error) {
      const isRemoved = error instanceof ObjectsRemovedError;
      if (isRemoved) this.#giveUp(error);
      if (this.#closed.signal.aborted || isRemoved || isMissing(error)) return execution.withdraw(); // the run is ending
      const reason = `A worker recorded what is no result: ${systemReason(error)}`;
      execution.settle(resultWithoutOutput({ kind: "lost", reason }));
    }
  }

  /** Brings an output here, to where it would be if the task had run here. */
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
    // A longer timer would go off at once.
    killAfterMs = Math.min(killAfterMs, MAX_TIMEOUT_MS);
    const isSooner = killAfterMs < (this.#killAfterMs ?? Infinity);
    this.#killAfterMs = Math.min(killAfterMs, this.#killAfterMs ?? Infinity);
    if (this.#ending && isSooner) this.#askWorkers().catch(() => {}); // else it is about to be done
    this.drain();
  }

  /** Takes back what no worker has begun, and waits for the rest. */
  async #end(): Promise<void> {
    this.#sends.abort();
    await Promise.resolve(); // all attempts that are to be ended are told so in one go
    const { stream } = this.#stream!.names;
    const { jsm } = this.#nats!;
    const until = { deadlineMs: ANSWER_DEADLINE_MS };
    let handedOut = Infinity;
    await unlessMissing((async () => {
      ({ stream_seq: handedOut } = (await retryTransient(() =>
        jsm.consumers.info(stream, TASKS_CONSUMER), until)).delivered);
      await retryTransient(() => jsm.consumers.delete(stream, TASKS_CONSUMER), until);
    })());
    const unheardSinceMs = new Map<string, number>();
    let wasDone = new Set<string>();
    for (let waitMs = ASK_AGAIN_MS; this.#pending.size > 0; waitMs = ASK_MS) {
      const candidates = [...this.#pending];
      const running = await this.#askWorkers();
      const done = await this.#keysWithResult();
      for (const [key, execution] of candidates) {
        if (wasDone.has(key)) await this.#takeUp(key); // it would have come
        const isUnheard = !running.has(key) && !done.has(key);
        const sinceMs = unheardSinceMs.get(key) ?? performance.now();
        if (isUnheard) unheardSinceMs.set(key, sinceMs);
        else unheardSinceMs.delete(key);
        // One that was handed out between the two requests is heard of the second time.
        const mayBeElsewhere = execution.sequence === undefined || execution.sequence <= handedOut;
        const patienceMs = mayBeElsewhere ? UNHEARD_MS : ASK_AGAIN_MS;
        if (!isUnheard || performance.now() - sinceMs < patienceMs) continue;
        execution.withdraw();
        this.#pending.delete(key);
      }
      wasDone = done;
      if (this.#pending.size > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  /** What the workers are running, and ends it if that is what is wanted. */
  async #askWorkers(): Promise<Set<string>> {
    const message: ControlMessage = { killAfterMs: this.#killAfterMs };
    const running = new Set<string>();
    try {
      const replies = await this.#nats!.connection.requestMany(this.#stream!.names.control, encode(message), {
        strategy: "stall",
        ...ANSWER_MS,
      });
      for await (const { data } of replies) for (const key of keysIn(data)) running.add(key);
    } catch {
      // There is no worker, or no connection now.
    }
    return running;
  }

  async #keysWithResult(): Promise<Set<string>> {
    const { names } = this.#stream!;
    const filter = { subjects_filter: names.result() };
    const until = { deadlineMs: ANSWER_DEADLINE_MS };
    const { state } = await retryTransient(() => this.#nats!.jsm.streams.info(names.stream, filter), until);
    return new Set(Object.keys(state.subjects ?? {}).map(keyOf));
  }

  /** The run is to end, and the server cannot be told. */
  #leave(error: unknown): void {
    if (!isMissing(error) && !this.#closed.signal.aborted) {
      this.#hasLeft = true;
      this.#log("the server does not answer; what runs goes on without this run");
    }
    this.#withdrawAll();
  }

  /** The run cannot go on. */
  #fail(error: unknown): void {
    const isTakenOver = (error as Error).name === "ConsumerNotFoundError";
    if (isTakenOver) this.#isOurs = false;
    this.#ending ??= Promise.resolve();
    this.#sends.abort();
    this.#withdrawAll();
    if (isTakenOver) this.#onFailure(new Error("another run with --resume has taken its place", { cause: error }));
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

/** What a worker says that it is running, if it says that. */
function keysIn(reply: Uint8Array): readonly string[] {
  try {
    return checkReply(decode(reply)).running;
  } catch {
    return [];
  }
}

/** The error for a run of which somebody has removed something on the server. */
function damaged(reason: string, cause?: unknown): Error {
  return new Error(`${reason}; --resume runs what has no result`, { cause });
}

/** An attempt that others carry out. */
class RemoteExecution implements Execution {
  readonly attempt: Attempt;
  /** Whether a worker may have it. */
  isSent = false;
  /** Whether the server has it, or has had it. */
  isStored = false;
  /** Which message of the stream it is, when this run has sent it. */
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

  /** Asks the worker, which decides and records why the attempt was stopped. */
  terminate(_reason: AttemptStop, killAfterMs: number): void {
    this.#terminate(killAfterMs);
  }

  settle(result: AttemptResult): void {
    this.#result.resolve(result);
  }

  withdraw(): void {
    this.settle(resultWithoutOutput({ kind: "withdrawn" }));
  }
}

/** Does so many things at once, and no more. */
class Limit {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(action: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.add(resolve));
    try {
      return await action();
    } finally {
      const [next] = this.#waiting;
      if (next) {
        this.#waiting.delete(next);
        next();
      } else this.#free++;
    }
  }
}
