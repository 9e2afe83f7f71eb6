/** What a run and its workers tell each other through NATS, and where. @module */

import type { AttemptEnding, AttemptResult, Output } from "../../pool/executor.ts";
import type { Task } from "../../records/task.ts";

/** The first part of every subject. */
const PREFIX = "taskrunner";

/**
 * The durable consumer of the stream of a run that all workers share. Its description is the id of the server that has
 * counted all deliveries since the stream was made, if that is certain.
 */
export const TASKS_CONSUMER = "tasks";

/** The version of all messages. A change that an older program would misread raises it. */
export const PROTOCOL_VERSION = 2;

/** What is the same for all tasks of a run; the first message of its stream. */
export interface RunConfig {
  /** The version of the run's messages: workers of another version do not touch the run. */
  version: typeof PROTOCOL_VERSION;
  shell: string;
  maxInlineBytes: number;
  /** `null` for no limit. */
  maxOutputBytes: number | null;
  /** Without a sign of life for so long from who has a task, another one gets it. */
  ackWaitMs: number;
  killAfterMs: number;
}

/** One attempt, for whoever takes it. */
export interface TaskMessage {
  task: Task;
  id: string;
  number: number;
  timeoutMs?: number | undefined;
}

/** Something that is too large for a message. */
export interface ObjectReference {
  id: string;
  bytes: number;
  /** In hexadecimal digits. */
  sha256: string;
}

/** An output, of which an object may have all when only the first part stands here. Where the worker has a file is not said. */
export interface RemoteOutput extends Omit<Output, "file"> {
  object?: ObjectReference | undefined;
}

/** An ending that a worker can record. Only the pool that wants a task can withdraw it, or start it later. */
export type RecordedEnding = Exclude<AttemptEnding, { kind: "no-resources" | "withdrawn" }>;

/** The result of an attempt, as its worker records it. */
export interface ResultMessage extends Omit<AttemptResult, "ending" | "stdout" | "stderr"> {
  ending: RecordedEnding;
  stdout: RemoteOutput;
  stderr: RemoteOutput;
}

/** A message, or the object that it is in. */
export type Message<T> = { value: T } | { object: ObjectReference };

/** Asks the workers of a run what they are running, and to end it if a time for that is given. */
export interface ControlMessage {
  killAfterMs?: number | undefined;
}

/** The keys of what a worker is running. */
export interface ControlReply {
  running: string[];
}

/** The stream, and the subjects, of a run. */
export class RunNames {
  readonly stream: string;
  readonly config: string;
  /** Not in the stream. */
  readonly control: string;
  /** Neither: says that there is a new run, or one less. */
  readonly changed: string;
  /** Neither: a worker says that the server has no room for a result. */
  readonly full: string;
  readonly #subject: string;

  /** @param nonce so that a run which has the name of one before it is another one to everybody. */
  constructor(queue: string, run: string, nonce: string) {
    this.stream = `${PREFIX}_${queue}_${run}_${nonce}`;
    this.#subject = `${PREFIX}.${queue}.${run}`;
    this.config = `${this.#subject}.config`;
    this.control = `${this.#subject}.control`;
    this.changed = `${this.#subject}.changed`;
    this.full = `${this.#subject}.full`;
  }

  /** Of one attempt, or of all of them. */
  task(key = "*"): string {
    return `${this.#subject}.task.${key}`;
  }

  /** Of the result of one attempt, or of all of them. */
  result(key = "*"): string {
    return `${this.#subject}.result.${key}`;
  }

  /** Has a message for each time that an attempt was begun once more. */
  rerun(key = "*"): string {
    return `${this.#subject}.rerun.${key}`;
  }

  /** What the stream holds. */
  get all(): string[] {
    return [this.config, this.task(), this.result(), this.rerun()];
  }
}

/** What the streams of all runs of a queue have. */
export function subjectsOfQueue(queue: string): string {
  return `${PREFIX}.${queue}.>`;
}

/** Where it is said that a queue has a new run, or one less. */
export function changesOfQueue(queue: string): string {
  return `${PREFIX}.${queue}.*.changed`;
}

/** The run that a stream is of, if it is of one. */
export function namesOfStream(stream: string): { queue: string; run: string; names: RunNames } | undefined {
  const [prefix, queue, run, nonce, ...more] = stream.split("_");
  if (prefix !== PREFIX || !queue || !run || !nonce || more.length > 0) return undefined;
  return { queue, run, names: new RunNames(queue, run, nonce) };
}

/** What the stream of a run has. */
export function subjectsOfRun(queue: string, run: string): string {
  return `${PREFIX}.${queue}.${run}.>`;
}

/** The attempt that a subject is about. */
export function keyOf(subject: string): string {
  return subject.slice(subject.lastIndexOf(".") + 1);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A message, as it is sent. */
export function encode(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

/**
 * What {@linkcode encode} was given, if it was that which has made the message.
 *
 * @throws `TypeError` when the message is no JSON.
 */
export function decode(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw new TypeError("it is not valid JSON", { cause: error }); // the runtimes word that differently
  }
}
