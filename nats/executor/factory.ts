import type { ExecutorFactory } from "../../pool/executor.ts";
import { checkNatsOptions, type NatsOptions } from "../client/options.ts";
import { NATS_CONCURRENCY, NatsExecutor } from "./nats_executor.ts";

/** The URL of this module, also after the package for npm was bundled. */
const MODULE = new URL("./factory.ts", import.meta.url).href;

/**
 * Creates a value for the option `executor` that runs tasks on workers on other machines, through NATS.
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
  return {
    module: MODULE,
    options,
    onNotice,
    concurrency: NATS_CONCURRENCY,
    create: (settings) => new NatsExecutor(nats, settings),
  };
}

/** {@linkcode natsExecutor}, under the name that the process of a `TaskRunner` imports. */
export { natsExecutor as executorFactory };
