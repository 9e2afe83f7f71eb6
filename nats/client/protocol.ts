/** The messages between a run and its workers, and the NATS subjects that carry them. @module */

import type { AttemptEnding, AttemptResult, Output } from "../../pool/executor.ts";
import type { CheckedTask } from "../../records/task.ts";

/** The first part of every subject. */
const PREFIX = "taskrunner";

/**
 * The name of the durable consumer of a run's stream, which all workers share. Its description is the id of the server that
 * has counted all deliveries since the stream was created, if that is certain.
 */
export const TASKS_CONSUMER = "tasks";

/** The version of all messages. A change that an older program would misread raises it. */
export const PROTOCOL_VERSION = 2;

/** The settings of a run: the first message of its stream. */
export interface RunConfig {
  /** The version of the run's messages. Workers of another version ignore the run. */
  version: typeof PROTOCOL_VERSION;
  shell: string;
  maxInlineBytes: number;
  /** `null` for no limit. */
  maxOutputBytes: number | null;
  /** The time without a heartbeat after which a task is delivered to another worker, in milliseconds. */
  ackWaitMs: number;
  killAfterMs: number;
}

/** An attempt, for any worker of the queue. */
export interface TaskMessage {
  task: CheckedTask;
  id: string;
  number: number;
  timeoutMs?: number | undefined;
}

/** A reference to content that is too large for a message. */
export interface ObjectReference {
  id: string;
  bytes: number;
  /** Lowercase hexadecimal digits. */
  sha256: string;
}

/** An output. When `text` is only the first part, an object can hold all of it. The path on the worker is left out. */
export interface RemoteOutput extends Omit<Output, "file"> {
  object?: ObjectReference | undefined;
}

/** An ending that a worker can record. Only the pool of the run can withdraw a task, or start it later. */
export type RecordedEnding = Exclude<AttemptEnding, { kind: "no-resources" | "withdrawn" }>;

/** The result of an attempt, as its worker records it. */
export interface ResultMessage extends Omit<AttemptResult, "ending" | "stdout" | "stderr"> {
  ending: RecordedEnding;
  stdout: RemoteOutput;
  stderr: RemoteOutput;
}

/** A message, or a reference to the object that holds it. */
export type Message<T> = { value: T } | { object: ObjectReference };

/** Asks the workers of a run which attempts they run, and to terminate them when `killAfterMs` is present. */
export interface ControlMessage {
  killAfterMs?: number | undefined;
}

/** The keys of attempts, in the reply of a worker to a control message. */
export interface ControlReply {
  /** The attempts that the worker runs, or whose result it has yet to record. */
  running: string[];
  /** The attempts that the worker has returned before they began, and that no other worker has. */
  returned?: string[] | undefined;
}

/** The names of the stream and the subjects of a run. */
export class RunNames {
  readonly stream: string;
  readonly config: string;
  /** The subject of control messages. Not in the stream. */
  readonly control: string;
  /** The subject that announces a new or removed run. Not in the stream. */
  readonly changed: string;
  /** The subject on which a worker reports that the server has no room for a result. Not in the stream. */
  readonly full: string;
  readonly #subject: string;

  /** @param nonce distinguishes the run from earlier runs of the same name. */
  constructor(queue: string, run: string, nonce: string) {
    this.stream = `${PREFIX}_${queue}_${run}_${nonce}`;
    this.#subject = `${PREFIX}.${queue}.${run}`;
    this.config = `${this.#subject}.config`;
    this.control = `${this.#subject}.control`;
    this.changed = `${this.#subject}.changed`;
    this.full = `${this.#subject}.full`;
  }

  /** Returns the task subject of one attempt, or of all attempts. */
  task(key = "*"): string {
    return `${this.#subject}.task.${key}`;
  }

  /** Returns the result subject of one attempt, or of all attempts. */
  result(key = "*"): string {
    return `${this.#subject}.result.${key}`;
  }

  /**
   * Returns the subject with a message for each redelivery of one attempt, or of all attempts. The word `rerun` in it is part
   * of the permissions that servers configure.
   */
  redelivery(key = "*"): string {
    return `${this.#subject}.rerun.${key}`;
  }

  /** The subjects that the stream stores. */
  get all(): string[] {
    return [this.config, this.task(), this.result(), this.redelivery()];
  }
}

/** Returns the wildcard for the streams of all runs of a queue. */
export function subjectsOfQueue(queue: string): string {
  return `${PREFIX}.${queue}.>`;
}

/** Returns the wildcard for announcements of new and removed runs of a queue. */
export function changesOfQueue(queue: string): string {
  return `${PREFIX}.${queue}.*.changed`;
}

/** Returns the run that a stream belongs to; `undefined` when the stream is not of a run. */
export function namesOfStream(stream: string): { queue: string; run: string; names: RunNames } | undefined {
  const [prefix, queue, run, nonce, ...more] = stream.split("_");
  if (prefix !== PREFIX || !queue || !run || !nonce || more.length > 0) return undefined;
  return { queue, run, names: new RunNames(queue, run, nonce) };
}

/** Returns the wildcard for the subjects of a run. */
export function subjectsOfRun(queue: string, run: string): string {
  return `${PREFIX}.${queue}.${run}.>`;
}

/** Returns the key of the attempt that a subject is about. */
export function keyOf(subject: string): string {
  return subject.slice(subject.lastIndexOf(".") + 1);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Encodes a message as JSON. */
export function encode(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

/**
 * Decodes a message. Its value is not checked.
 *
 * @throws `TypeError` when the message is not valid JSON.
 */
export function decode(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw new TypeError("it is not valid JSON", { cause: error }); // the messages of the runtimes differ
  }
}
