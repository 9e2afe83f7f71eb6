import { discardOutput } from "../../executors/output.ts";
import type { Attempt, AttemptEnd, Execution, Executor } from "../../pool/executor.ts";
import type { NatsExecutor, NatsExecutorOptions } from "./executor.ts";
import { checkNatsOptions } from "../client/options.ts";

/** A {@linkcode NatsExecutor} that is loaded when a run is opened, as most runs need none. */
export class LazyNatsExecutor implements Executor {
  /** Many machines may be waiting for tasks. */
  readonly concurrency = 10_000;
  /** A task may wait for a worker. */
  readonly keepsTime = true;
  readonly #options: NatsExecutorOptions;
  #executor: NatsExecutor | undefined;
  #isDraining = false;

  /** @throws `RangeError` for an option that is out of range. */
  constructor(options: NatsExecutorOptions) {
    checkNatsOptions(options.nats);
    this.#options = options;
  }

  async open(onFailure: (error: Error) => void): Promise<void> {
    const { NatsExecutor } = await import("./executor.ts");
    this.#executor = new NatsExecutor(this.#options);
    if (this.#isDraining) this.#executor.drain();
    await this.#executor.open(onFailure);
  }

  start(attempt: Attempt): Execution {
    return this.#executor!.start(attempt);
  }

  drain(): void {
    this.#isDraining = true;
    this.#executor?.drain();
  }

  discard({ stdout, stderr }: AttemptEnd): Promise<void> {
    return discardOutput(stdout, stderr);
  }

  async close(): Promise<void> {
    await this.#executor?.close();
  }
}
