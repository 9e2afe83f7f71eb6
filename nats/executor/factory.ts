import type { ExecutorFactory } from "../../pool/executor.ts";
import { checkNatsOptions, type NatsOptions } from "../client/options.ts";
import { NatsExecutor } from "./nats_executor.ts";

const MODULE = import.meta.url;

/**
 * Makes a value for the option `executor`: workers on other machines run the tasks, which reach them through NATS.
 *
 * @throws `RangeError` for an option that is out of range.
 *
 * @example Run tasks on the workers of a queue
 * ```ts
 * import { type RunOptions } from "@x/taskrunner";
 * import { natsExecutor } from "@x/taskrunner/nats";
 *
 * const options: RunOptions = { executor: natsExecutor({ servers: "nats://127.0.0.1:4222", queue: "build" }) };
 * ```
 */
export function natsExecutor(nats: NatsOptions): ExecutorFactory {
  checkNatsOptions(nats);
  const { onNotice, ...options } = nats;
  return { module: MODULE, options, onNotice, create: (settings) => new NatsExecutor(nats, settings) };
}

/** The same for the process of a `TaskRunner`. */
export { natsExecutor as executorFactory };
