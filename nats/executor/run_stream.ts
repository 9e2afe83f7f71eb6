/** Opens the stream of a run and its consumers on a server: creates them, or resumes those of an earlier run. @module */

import { systemReason } from "../../system/system_error.ts";
import { isTaken, type Nats, type RetryOptions, retryTransient, unlessMissing } from "../client/connection.ts";
import { checkConfig } from "../client/check_message.ts";
import { RunObjects } from "../client/objects.ts";
import type { Consumer } from "../client/packages.ts";
import { decode, encode, type RunConfig, RunNames, TASKS_CONSUMER } from "../client/protocol.ts";
import { removeStream, streamsOfRun } from "../client/runs.ts";

/** The maximum number of tasks that all workers together can run. */
const MAX_UNACKNOWLEDGED = 100_000;
/** The maximum number of workers that can wait for tasks at the same time. */
const MAX_WORKERS = 100_000;

/** The prefix for the names of the consumers that read results. */
const READER_PREFIX = "results-";

/** Options of {@linkcode openRunStream}. */
export interface RunStreamOptions {
  queue: string;
  run: string;
  /** If true, resumes an existing run of that name; otherwise removes it. */
  resume: boolean;
  replicas: number;
  config: RunConfig;
  /** A random part of the names that are created, which makes them unique. */
  nonce: string;
}

/** An open stream of a run. */
export interface RunStream {
  names: RunNames;
  objects: RunObjects;
  isResumed: boolean;
  /** The settings that the workers of the run use. */
  config: RunConfig;
  /** The consumer of results that are published after it was created. */
  results: Consumer;
}

/**
 * Creates the stream of a run, or resumes it. Removes a new stream when a step fails.
 */
export async function openRunStream(
  nats: Nats,
  { queue, run, resume, replicas, config: newConfig, nonce }: RunStreamOptions,
  until: RetryOptions,
): Promise<RunStream> {
  const earlier = await retryTransient(() => streamsOfRun(nats, queue, run), until);
  // Workers use the settings of the original run.
  const resumedConfig = resume && earlier[0] ? await readConfig(nats, earlier[0], until) : undefined;
  const isResumed = resumedConfig !== undefined;
  const config = resumedConfig ?? newConfig;
  if (!isResumed) { for (const names of earlier) await removeStream(nats, names); }
  const names = isResumed ? earlier[0]! : new RunNames(queue, run, nonce);
  const objects = new RunObjects(nats, names.stream);
  try {
    if (!isResumed) await addStream(nats, names, replicas, until);
    await objects.create(replicas, until); // an interrupted removal may have left the stream only
    if (!isResumed) await publishOnce(nats, names, { subject: names.config, bytes: encode(config) }, until);
    const results = await addConsumers(nats, names, { isNew: !isResumed, nonce, ackWaitMs: config.ackWaitMs }, until);
    nats.connection.publish(names.changed); // workers that miss this message poll
    return { names, objects, isResumed, config, results };
  } catch (error) {
    if (!isResumed) await removeStream(nats, names).catch(() => {});
    throw error;
  }
}

async function addStream({ client, jsm }: Nats, names: RunNames, replicas: number, until: RetryOptions) {
  const { DiscardPolicy, RetentionPolicy, StorageType } = client.jetstream;
  await retryTransient(() =>
    jsm.streams.add({
      name: names.stream,
      subjects: names.all,
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      discard: DiscardPolicy.New,
      allow_direct: true,
      duplicate_window: 3_600e9,
      num_replicas: replicas,
    }), until);
}

async function addConsumers(
  nats: Nats,
  names: RunNames,
  { isNew, nonce, ackWaitMs }: { isNew: boolean; nonce: string; ackWaitMs: number },
  until: RetryOptions,
): Promise<Consumer> {
  const { client, connection, jsm } = nats;
  const { stream } = names;
  const results = await addResultsConsumer(nats, names, { nonce, ackWaitMs, isAgain: false }, until);
  const found = await consumersOf(nats, names, until);
  for (const name of found) {
    // A reader that still runs notices the removal, and the new consumer tells it that this run has taken over.
    if (!isOfOthers(name, nonce)) continue;
    await unlessMissing(retryTransient(() => jsm.consumers.delete(stream, name), until));
  }
  if (!found.includes(TASKS_CONSUMER)) {
    const { info } = connection;
    const countsAll = isNew && info && info.cluster === undefined;
    await retryTransient(() =>
      jsm.consumers.add(stream, {
        ...commonConfig(client, ackWaitMs),
        durable_name: TASKS_CONSUMER,
        filter_subject: names.task(),
        max_waiting: MAX_WORKERS,
        ...(countsAll && { description: info.server_id }),
      }), until);
  }
  return results;
}

/** Returns whether another program reads the results of the run, and so has taken over the run. */
export async function isTakenOver(
  nats: Nats,
  names: RunNames,
  nonce: string,
  until: RetryOptions,
): Promise<boolean> {
  return (await consumersOf(nats, names, until)).some((name) => isOfOthers(name, nonce));
}

/**
 * Creates the consumer that reads results.
 *
 * @param isAgain true to replace a removed consumer. The new consumer begins with the first result, because the removed
 * consumer may have missed some.
 */
export async function addResultsConsumer(
  { client, js, jsm }: Nats,
  names: RunNames,
  { nonce, ackWaitMs, isAgain }: { nonce: string; ackWaitMs: number; isAgain: boolean },
  until: RetryOptions,
): Promise<Consumer> {
  const { DeliverPolicy } = client.jetstream;
  await retryTransient(() =>
    jsm.consumers.add(names.stream, {
      ...commonConfig(client, ackWaitMs),
      durable_name: readerOf(nonce),
      filter_subject: names.result(),
      deliver_policy: isAgain ? DeliverPolicy.All : DeliverPolicy.New,
    }), until);
  return await retryTransient(() => js.consumers.get(names.stream, readerOf(nonce)), until);
}

function commonConfig({ jetstream: { AckPolicy } }: Nats["client"], ackWaitMs: number) {
  return {
    ack_policy: AckPolicy.Explicit,
    ack_wait: ackWaitMs * 1e6,
    max_deliver: -1,
    max_ack_pending: MAX_UNACKNOWLEDGED,
  };
}

function readerOf(nonce: string): string {
  return `${READER_PREFIX}${nonce}`;
}

function isOfOthers(consumer: string, nonce: string): boolean {
  return consumer.startsWith(READER_PREFIX) && consumer !== readerOf(nonce);
}

async function consumersOf({ jsm }: Nats, { stream }: RunNames, until: RetryOptions): Promise<string[]> {
  const found = await retryTransient(() => Array.fromAsync(jsm.consumers.list(stream)), until);
  return found.map(({ name }) => name);
}

/** Reads the settings of a run, which precede its first task; `undefined` when the run was not created completely. */
async function readConfig(
  { jsm }: Nats,
  { stream, config }: RunNames,
  until: RetryOptions,
): Promise<RunConfig | undefined> {
  const message = await retryTransient(() => jsm.streams.getMessage(stream, { last_by_subj: config }), until);
  if (!message) return undefined;
  try {
    return checkConfig(decode(message.data));
  } catch (error) {
    throw new Error(
      `Cannot resume the run: its settings in the stream ${stream} are invalid: ${
        systemReason(error)
      }; remove the run with taskrunner runs rm`,
      { cause: error },
    );
  }
}

/** Publishes the only message of a subject. Returns its sequence number; `undefined` when the subject already has a message. */
export async function publishOnce(
  { publisher }: Nats,
  { stream }: RunNames,
  { subject, bytes }: { subject: string; bytes: Uint8Array },
  until: RetryOptions,
): Promise<number | undefined> {
  const options = { stream, isOnly: true, messageId: publisher.createMessageId() };
  try {
    return await retryTransient(() => publisher.publish(subject, bytes, options), until);
  } catch (error) {
    if (isTaken(error)) return undefined;
    throw error;
  }
}
