/**
 * Runs tasks on many machines, by a server of NATS with JetStream.
 *
 * A program that runs tasks names the server and a queue with {@linkcode natsExecutor}; on each machine a
 * {@linkcode Worker}, or `taskrunner worker`, takes tasks from that queue. Workers may come late, leave and die: a task is
 * begun again when its worker was lost, and each has one result in the end. Whoever may write to a queue runs commands on
 * its workers.
 *
 * The client for NATS is not a part of the package: in Deno it is fetched when it is needed; for Node and Bun
 * `npm install @nats-io/transport-node @nats-io/jetstream @nats-io/obj` brings it.
 *
 * @module
 */

export type { NatsConnectionOptions, NatsOptions } from "./client/options.ts";
export { natsExecutor } from "./executor/factory.ts";
export { Worker, type WorkerOptions } from "./worker/worker.ts";
