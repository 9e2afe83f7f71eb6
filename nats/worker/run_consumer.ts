/** Runs the attempts of one run on a worker. @module */

import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import process from "node:process";
import { type AttemptResult, type Executor, type Output, resultWithoutOutput } from "../../pool/executor.ts";
import { createExecutor } from "../../executors/mod.ts";
import { outputLost } from "../../executors/output.ts";
import { systemCode, systemReason } from "../../system/system_error.ts";
import type { ProcessGuard } from "../../spawn_adapters/guard.ts";
import { RunningAttempt } from "../../pool/running_attempt.ts";
import { checkConfig, checkControl, checkTaskMessage } from "../client/check_message.ts";
import {
  isForbidden,
  isFull,
  isMissing,
  isTaken,
  type Nats,
  ObjectsRemovedError,
  type RetryOptions,
  retryTransient,
} from "../client/connection.ts";
import { RunObjects } from "../client/objects.ts";
import type { Consumer, ConsumerMessages, DeliveredMessage, MessageHeaders } from "../client/packages.ts";
import {
  type ControlReply,
  decode,
  encode,
  keyOf,
  type RemoteOutput,
  type ResultMessage,
  type RunConfig,
  type RunNames,
  type TaskMessage,
  TASKS_CONSUMER,
} from "../client/protocol.ts";
import { recordedEnding } from "./recorded_ending.ts";
import type { SlotQueue, Slots } from "./slots.ts";

/** The longest time that a run may take to be created. */
const OPEN_MS = 10_000;
/** The pause after a request for tasks that failed. */
const RETRY_MS = 250;
/** The pause before a result is published again to a server that is out of storage. */
const FULL_MS = 1_000;
/** The time for which a draining worker returns tasks that still arrive. */
const RETURN_MS = 250;
/** The maximum number of results that wait for the confirmation of the server without a slot. */
const MAX_UNCONFIRMED = 64;
/** The size of an output, in characters, above which its result keeps its slot until the server has confirmed the result. */
const MAX_SMALL_OUTPUT = 4 * 1024;
/** The time for which a result waits for others while further tasks of the run wait for a slot. */
const GATHER_MS = 3;
/** The delay of tasks that are returned at a control message: by then, the run has removed the consumer. */
const CONTROL_RETURN_MS = 10_000;
/** The longest duration of a request for tasks, and the shortest that the server accepts. */
const FETCH_MS = { max: 5_000, min: 1_000 };

/** The largest task. Its JSON must fit into a string of every runtime. */
const MAX_TASK_BYTES = 512 * 1024 ** 2;

/** The position up to which the server has delivered tasks to any worker. */
interface DeliveryPosition {
  /** The sequence number of the last delivered task in the stream. */
  sequence: number;
  /** The time of the request, by `Date.now()`. */
  askedMs: number;
}

/** A task as the server has delivered it. */
interface Delivery {
  message: DeliveredMessage;
  /** The position before the request for the task. */
  position: DeliveryPosition;
}

/** The `worker` of results. */
const WORKER = { host: hostname(), pid: process.pid };

/** Options of {@linkcode RunConsumer}. */
export interface RunConsumerOptions {
  executor: "shell" | "process" | undefined;
  maxRedeliveries: number;
  guard: ProcessGuard;
  /** The prefix for the names of temporary directories. */
  temporaryPrefix: string;
  /** Called when the server denies a permission that the worker needs. */
  onForbidden: (error: unknown) => void;
  /** Called when the settings of the run are invalid: none of its tasks can run. */
  onUnusable: (error: unknown) => void;
  /** Called each time a result has to wait because the server is out of storage. */
  onFull: () => void;
}

/** Consumes the tasks of one run: runs each, and publishes its result. */
export class RunConsumer {
  /** Settles when all attempts of the run have ended on this worker. Never rejects. */
  readonly ended: Promise<void>;
  readonly #nats: Nats;
  readonly #names: RunNames;
  #objects!: RunObjects;
  readonly #slots: Slots;
  /** The tasks that wait for a slot. */
  readonly #queue: SlotQueue<Delivery>;
  readonly #options: RunConsumerOptions;
  readonly #running = new Map<string, RunningAttempt | undefined>();
  /** Messages that are not acknowledged yet: of running and of waiting tasks. */
  readonly #held = new Set<DeliveredMessage>();
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  /** The keys of tasks that this worker has returned at a control message, and that no other worker can have. */
  readonly #returned = new Set<string>();
  /** Settles when the results that wait for each other may be published. */
  #gathering: Promise<void> | undefined;
  readonly #work = new Set<Promise<void>>();
  #config!: RunConfig;
  #tasks!: Consumer;
  /** The id of the server that has counted all deliveries. */
  #countedBy: string | undefined;
  /** The value of {@linkcode Nats.disconnects} when {@linkcode #countedBy} was read. */
  #disconnects = 0;
  #executor: Executor | undefined;
  #sequence = 0;
  /** Distinguishes the objects of this worker from those of others. */
  readonly #nonce = randomBytes(8).toString("hex");
  #stored = 0;
  /** True when the worker takes no further tasks of this run. */
  #isEnding = false;
  /** True when the run terminates its attempts without waiting for their results. */
  #isStopped = false;
  /** Aborted when the results are no longer needed. */
  readonly #abandoned = new AbortController();
  #fetching: ConsumerMessages | undefined;
  #position: DeliveryPosition | undefined;

  constructor(nats: Nats, names: RunNames, slots: Slots, options: RunConsumerOptions) {
    this.#nats = nats;
    this.#names = names;
    this.#slots = slots;
    this.#queue = slots.addQueue({
      start: (delivery, slot) => this.#start(delivery, slot),
      giveBack: (delivery) => this.#giveBack(delivery),
    });
    this.#options = options;
    this.ended = this.#run();
  }

  /** Stops taking tasks, and finishes the running ones. */
  drain(): void {
    this.#isEnding = true;
    this.#giveBackWaiting();
    // Tasks that the server has just sent are returned; otherwise they would wait for `ackWaitMs`.
    setTimeout(() => this.#fetching?.stop(), RETURN_MS);
    this.#slots.wake();
  }

  /** Stops taking tasks, and kills the running ones without publishing their results. */
  abandon(): void {
    this.#abandoned.abort();
    this.drain();
    for (const attempt of this.#running.values()) attempt?.terminate("canceled", 0);
  }

  async #run(): Promise<void> {
    const control = this.#nats.connection.subscribe(this.#names.control, {
      callback: (error, message) => {
        if (error) return this.#options.onForbidden(error);
        if (isReflected(message)) return;
        try {
          message.respond(encode(this.#obey(decode(message.data))));
        } catch {
          // The message is invalid, or the connection is being closed.
        }
      },
    });
    try {
      await this.#open();
      while (!this.#isEnding && this.#executor) {
        await this.#takeTasks().catch(async (error) => {
          if (isMissing(error)) this.#isEnding = true;
          else if (isForbidden(error)) this.#options.onForbidden(error);
          else await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        });
      }
    } catch (error) {
      if (isForbidden(error)) this.#options.onForbidden(error);
      // Otherwise the run has ended, or the worker finds the run again.
    }
    this.#isEnding = true;
    this.#giveBackWaiting();
    await Promise.all(this.#work);
    this.#slots.removeQueue(this.#queue);
    clearInterval(this.#heartbeat);
    control.unsubscribe();
    await this.#executor?.close().catch(() => {});
  }

  /** Handles a control message of the run. */
  #obey(message: unknown): ControlReply {
    const { killAfterMs } = checkControl(message);
    this.#returnWaiting();
    this.#countedBy = undefined; // the sender has removed the consumer; a new one delivers all tasks again
    if (killAfterMs !== undefined) {
      this.#isStopped = true;
      for (const attempt of this.#running.values()) attempt?.terminate("canceled", killAfterMs);
    }
    return { running: [...this.#running.keys()], returned: [...this.#returned] };
  }

  /** Returns the waiting tasks. Remembers those that no other worker can have. */
  #returnWaiting(): void {
    const isCounting = this.#isServerCounting();
    for (const delivery of this.#queue.takeAll()) {
      if (isCounting && !this.#mayBeRedelivery(delivery)) this.#returned.add(keyOf(delivery.message.subject));
      this.#giveBack(delivery, CONTROL_RETURN_MS);
    }
  }

  async #open(): Promise<void> {
    const { signal } = this.#abandoned;
    const last = { last_by_subj: this.#names.config };
    const message = await retryTransient(async () => {
      const message = await this.#nats.jsm.direct.getMessage(this.#names.stream, last);
      // Another worker could redirect a message with a different subject to this inbox.
      if (message?.subject !== this.#names.config) throw new Error("the run is still being created");
      return message;
    }, { signal, deadlineMs: OPEN_MS });
    try {
      this.#config = checkConfig(decode(message.data));
    } catch (error) {
      return this.#options.onUnusable(error);
    }
    this.#tasks = await retryTransient(
      () => this.#nats.js.consumers.get(this.#names.stream, TASKS_CONSUMER),
      { signal, deadlineMs: OPEN_MS },
    );
    this.#disconnects = this.#nats.disconnects;
    this.#countedBy = (await this.#tasks.info(true)).config.description;
    this.#heartbeat = setInterval(() => {
      if (this.#nats.connection.isClosed()) return;
      for (const message of this.#held) message.working();
    }, this.#config.ackWaitMs / 3);
    const { shell, maxInlineBytes, maxOutputBytes } = this.#config;
    this.#objects = new RunObjects(this.#nats, this.#names.stream);
    this.#executor = createExecutor({
      executor: this.#options.executor,
      guard: this.#options.guard,
      shell,
      maxInlineBytes,
      maxOutputBytes: maxOutputBytes ?? Infinity,
      temporaryPrefix: this.#options.temporaryPrefix,
    });
  }

  async #takeTasks(): Promise<void> {
    await this.#queue.whenRoom(() => this.#isEnding);
    if (this.#isEnding) return;
    const { ackWaitMs } = this.#config;
    const expires = Math.min(FETCH_MS.max, Math.max(FETCH_MS.min, Math.floor(ackWaitMs / 3)));
    const position = await this.#deliveryPosition(ackWaitMs - 2 * expires);
    const max_messages = Math.max(1, this.#queue.room);
    const messages = this.#fetching = await this.#tasks.fetch({ max_messages, expires });
    for await (const message of messages) this.#accept({ message, position });
  }

  /** Starts a task, queues it for a slot, or returns it to the server: for another worker, or for later. */
  #accept(delivery: Delivery): void {
    const { message } = delivery;
    this.#returned.delete(keyOf(message.subject));
    this.#held.add(message);
    if (this.#isEnding || !this.#queue.tryAdd(delivery)) this.#giveBack(delivery);
  }

  #giveBack({ message }: Delivery, delayMs = this.#isEnding ? 2 * RETURN_MS : undefined): void {
    this.#held.delete(message);
    message.nak(delayMs);
  }

  #giveBackWaiting(): void {
    for (const delivery of this.#queue.takeAll()) this.#giveBack(delivery);
  }

  #start(delivery: Delivery, slot: number): void {
    const startedMs = performance.now();
    let isReleased = false;
    const release = () => {
      if (!isReleased) this.#slots.release(slot, performance.now() - startedMs);
      isReleased = true;
    };
    const work = this.#process(delivery, slot, release).catch(() => {}).finally(() => {
      this.#held.delete(delivery.message);
      release();
      this.#work.delete(work);
    });
    this.#work.add(work);
  }

  async #process(delivery: Delivery, slot: number, release: () => void): Promise<void> {
    const { message } = delivery;
    const key = keyOf(message.subject);
    if (this.#running.has(key)) return; // the running attempt publishes the result for both
    this.#running.set(key, undefined);
    try {
      if (isReflected(message)) return message.ack();
      const isRedelivery = this.#mayBeRedelivery(delivery);
      if ((isRedelivery || !this.#isServerCounting()) && await this.#isDone(key)) return message.ack();
      const result = isRedelivery && await this.#hasNoRedeliveriesLeft(key)
        ? redeliveredTooOften(this.#options.maxRedeliveries)
        : await this.#attempt(message, key, slot);
      if (this.#abandoned.signal.aborted) {
        message.nak(); // another worker takes the task without waiting for `ackWaitMs`
        return await this.#executor!.discard(result);
      }
      if (isSmall(result) && this.#work.size - this.#slots.count < MAX_UNCONFIRMED) {
        release();
        if (this.#queue.size > 0) await this.#gather();
      }
      await this.#publish(key, result);
      message.ack();
    } finally {
      this.#running.delete(key);
    }
  }

  /** Waits for the results of other tasks, so that they are sent together: sending takes longer than most results. */
  #gather(): Promise<void> {
    return this.#gathering ??= new Promise((resolve) => {
      setTimeout(() => {
        this.#gathering = undefined;
        resolve();
      }, GATHER_MS);
    });
  }

  async #attempt(message: DeliveredMessage, key: string, slot: number): Promise<AttemptResult> {
    const read = await this.#read(message);
    if (typeof read === "string") return notStarted(read);
    const { task, id, number, timeoutMs } = read;
    const place = {
      slot,
      startedAt: new Date().toISOString(),
      worker: WORKER,
    };
    const attempt = { task, id, number, timeoutMs, slot, sequence: ++this.#sequence };
    const running = new RunningAttempt(this.#executor!, attempt, this.#config.killAfterMs);
    this.#running.set(key, running);
    const result = await running.ended;
    this.#running.set(key, undefined); // its slot may run another attempt before the result is recorded
    return { ...result, place };
  }

  /** Reads the attempt in a message. For an invalid message, returns the reason as a sentence. */
  async #read({ data }: DeliveredMessage): Promise<TaskMessage | string> {
    try {
      const unpack = async (options: RetryOptions) => await this.#objects.unpack(data, MAX_TASK_BYTES, options);
      return checkTaskMessage(await this.#ask(unpack));
    } catch (error) {
      if (this.#abandoned.signal.aborted || isForbidden(error) || this.#nats.connection.isClosed()) throw error;
      return `The message is not a valid task: ${systemReason(error)}`;
    }
  }

  /** Returns the position of delivery. It is at most `maxAgeMs` old. */
  async #deliveryPosition(maxAgeMs: number): Promise<DeliveryPosition> {
    if (this.#position && Date.now() - this.#position.askedMs < maxAgeMs) return this.#position;
    const askedMs = Date.now();
    const { delivered } = await this.#tasks.info();
    return this.#position = { sequence: delivered.stream_seq, askedMs };
  }

  /**
   * Returns whether another worker may have begun the task. The delivery count of the server is not reliable: for a
   * task that kills its worker immediately, nats-server 2.9.10 starts at 1 each time. The server delivers new tasks in
   * the order of the stream, and redelivers a task after `ackWaitMs` at the earliest. A redelivered task therefore has
   * a sequence number up to the last known position of delivery, unless that position is older than `ackWaitMs`.
   */
  #mayBeRedelivery({ message: { info }, position: { sequence, askedMs } }: Delivery): boolean {
    return info.deliveryCount > 1 || info.streamSequence <= sequence || Date.now() - askedMs > this.#config.ackWaitMs;
  }

  /** Returns whether the server has counted all deliveries. After a restart or a change of server, that is not certain. */
  #isServerCounting(): boolean {
    const { connection, disconnects } = this.#nats;
    return this.#countedBy === connection.info?.server_id && this.#disconnects === disconnects;
  }

  async #isDone(key: string): Promise<boolean> {
    const last = { last_by_subj: this.#names.result(key) };
    return await this.#retryTransient(() => this.#nats.jsm.direct.getMessage(this.#names.stream, last)) !== null;
  }

  /**
   * Returns whether a task has no redeliveries left; otherwise records a redelivery. The count of the server includes
   * deliveries that no worker began.
   */
  async #hasNoRedeliveriesLeft(key: string): Promise<boolean> {
    const subject = this.#names.redelivery(key);
    const filter = { subjects_filter: subject };
    const { state } = await this.#retryTransient(() => this.#nats.jsm.streams.info(this.#names.stream, filter));
    if ((state.subjects?.[subject] ?? 0) >= this.#options.maxRedeliveries) return true;
    const options = { stream: this.#names.stream, messageId: `${subject} ${randomBytes(8).toString("hex")}` };
    await this.#retryTransient(() => this.#nats.publisher.publish(subject, encode({}), options));
    return false;
  }

  /** Publishes a result, unless the attempt has one. */
  async #publish(key: string, attempted: AttemptResult): Promise<void> {
    const name = `${this.#nonce}/${++this.#stored}`;
    const { stdout, stderr } = attempted;
    const hasFiles = stdout.file !== undefined || stderr.file !== undefined;
    const ended = hasFiles ? await this.#storeOutputs(attempted, name) : attempted;
    let result: ResultMessage = { ...ended, ending: recordedEnding(ended.ending) };
    const options = { stream: this.#names.stream, isOnly: true };
    while (true) {
      try {
        const bytes = this.#objects.packInline(result) ??
          await this.#ask((options) => this.#objects.pack(result, `${name}/result`, options));
        await this.#retryTransient(() => this.#nats.publisher.publish(this.#names.result(key), bytes, options));
        return;
      } catch (error) {
        if (isTaken(error)) return;
        if (error instanceof ObjectsRemovedError) {
          const reason = `The result is too large for a message, and ${error.message}`;
          result = { ending: { kind: "lost", reason }, durationMs: 0, stdout: { text: "" }, stderr: { text: "" } };
          continue;
        }
        if (!isFull(error) || this.#isStopped || this.#abandoned.signal.aborted) throw error;
        this.#options.onFull();
        this.#nats.connection.publish(this.#names.full);
        await new Promise((resolve) => setTimeout(resolve, FULL_MS)); // a run that ends frees storage
      }
    }
  }

  /** Stores the files of the outputs as objects, and deletes the files. */
  async #storeOutputs(attempted: AttemptResult, name: string): Promise<AttemptResult> {
    try {
      const stdout = await this.#store(attempted.stdout, `${name}/stdout`);
      const stderr = await this.#store(attempted.stderr, `${name}/stderr`);
      const outputError = attempted.outputError ?? stdout.error ?? stderr.error;
      return { ...attempted, stdout: stdout.output, stderr: stderr.output, outputError };
    } finally {
      await this.#executor!.discard(attempted);
    }
  }

  async #store({ file, ...output }: Output, name: string): Promise<{ output: RemoteOutput; error?: string }> {
    if (file === undefined) return { output };
    try {
      const object = await this.#ask((options) => this.#objects.putFile(name, file, options));
      return { output: { ...output, object } };
    } catch (error) {
      if (this.#abandoned.signal.aborted) throw error;
      if (isFull(error)) return { output, error: outputLost("the server is out of storage") };
      if (error instanceof ObjectsRemovedError) return { output, error: outputLost(error.message) };
      if (systemCode(error) === undefined) throw error;
      return { output, error: outputLost(systemReason(error)) };
    }
  }

  async #retryTransient<T>(action: () => Promise<T>): Promise<T> {
    return await this.#ask((options) => retryTransient(action, options));
  }

  /** Runs an action that retries. Abandons the run when the run no longer exists. */
  async #ask<T>(action: (options: RetryOptions) => Promise<T>): Promise<T> {
    try {
      return await action({ signal: this.#abandoned.signal });
    } catch (error) {
      if (isMissing(error)) this.abandon();
      else if (isForbidden(error)) this.#options.onForbidden(error);
      throw error;
    }
  }
}

/**
 * Returns whether a message is a reply of the server that contains a stored message. A user without permission to publish
 * tasks could make the server send such a reply to any subject.
 */
function isReflected({ headers }: { headers?: MessageHeaders | undefined }): boolean {
  return headers !== undefined && headers.has("Nats-Stream");
}

/** Returns whether the output of a result is small. */
function isSmall({ stdout, stderr }: AttemptResult): boolean {
  return Math.max(stdout.text.length, stderr.text.length) <= MAX_SMALL_OUTPUT && stdout.file === undefined &&
    stderr.file === undefined;
}

function redeliveredTooOften(redeliveries: number): AttemptResult {
  const times = redeliveries === 1 ? "1 redelivery" : `${redeliveries} redeliveries`;
  const reason = `The worker was lost while the task ran, even after ${times}`;
  return resultWithoutOutput({ kind: "lost", reason });
}

function notStarted(reason: string): AttemptResult {
  return resultWithoutOutput({ kind: "spawn-failed", status: 126, reason });
}
