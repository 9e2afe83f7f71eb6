import { connectNats, type Nats, retryTransient, unlessMissing } from "./connection.ts";
import { RunObjects } from "./objects.ts";
import type { NatsConnectionOptions } from "./options.ts";
import { namesOfStream, type RunNames, subjectsOfRun } from "./protocol.ts";

/** A run that is stored on a server. */
export interface RemoteRun {
  queue: string;
  run: string;
  /** The time at which the run began: ISO 8601, UTC. */
  createdAt: string;
  /** The number of attempts that were sent. */
  attempts: number;
  /** The number of attempts that have a result. */
  results: number;
  /** The size of the stream in bytes. Excludes large outputs, which are in the object store. */
  bytes: number;
}

const DEADLINE = { deadlineMs: 5_000 };

/** Lists the runs of all queues on a server. */
export async function listRuns(options: NatsConnectionOptions): Promise<RemoteRun[]> {
  return await withNats(options, async ({ jsm }) => {
    const runs: RemoteRun[] = [];
    for await (const { config, created } of jsm.streams.list()) {
      const found = namesOfStream(config.name);
      if (!found) continue;
      await unlessMissing((async () => {
        const { state } = await retryTransient(() => jsm.streams.info(config.name, { subjects_filter: ">" }), DEADLINE);
        const kinds = Object.keys(state.subjects ?? {}).map((subject) => subject.split(".").at(-2));
        const count = (kind: string) => kinds.filter((of) => of === kind).length;
        runs.push({
          queue: found.queue,
          run: found.run,
          createdAt: new Date(created).toISOString(),
          attempts: count("task"),
          results: count("result"),
          bytes: state.bytes,
        });
      })());
    }
    return runs;
  });
}

/** Removes a run. Its workers terminate the attempts of the run. */
export async function removeRun(options: NatsConnectionOptions, { queue, run }: RemoteRun): Promise<void> {
  await withNats(options, async (nats) => {
    for (const names of await streamsOfRun(nats, queue, run)) await removeStream(nats, names);
  });
}

/** Returns the names for each stream of a run: one, or none. */
export async function streamsOfRun({ jsm }: Nats, queue: string, run: string): Promise<RunNames[]> {
  const streams: RunNames[] = [];
  for await (const stream of jsm.streams.names(subjectsOfRun(queue, run))) {
    const found = namesOfStream(stream);
    if (found) streams.push(found.names);
  }
  return streams;
}

/** Removes the stream of a run and its objects. */
export async function removeStream(nats: Nats, { stream, changed }: RunNames): Promise<void> {
  // The stream is removed last: after an interruption, it shows that the removal is incomplete.
  await new RunObjects(nats, stream).destroy(DEADLINE);
  await unlessMissing(retryTransient(() => nats.jsm.streams.delete(stream), DEADLINE));
  nats.connection.publish(changed);
}

async function withNats<T>(options: NatsConnectionOptions, use: (nats: Nats) => Promise<T>): Promise<T> {
  const nats = await connectNats(options);
  try {
    return await use(nats);
  } finally {
    await nats.connection.close();
  }
}
