/**
 * Runs tasks on many machines, through a NATS server with JetStream.
 *
 * A program sends tasks to a queue with {@linkcode natsExecutor}. On each machine, a {@linkcode Worker} or
 * `taskrunner worker` takes tasks from that queue. Workers may start late, leave and crash: after the loss of a worker, its
 * tasks are delivered to other workers, and each task has exactly one result. Anyone who can publish to a queue can run
 * commands on its workers.
 *
 * The package does not include the NATS client: Deno fetches it on demand; for Node and Bun run
 * `npm install @nats-io/transport-node @nats-io/jetstream @nats-io/obj`.
 *
 * @module
 */

export type { NatsConnectionOptions, NatsOptions } from "./client/options.ts";
export { natsExecutor } from "./executor/factory.ts";
export { Worker, type WorkerOptions } from "./worker/worker.ts";
