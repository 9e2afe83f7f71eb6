import { availableParallelism } from "node:os";
import type { NatsOptions } from "../nats/client/options.ts";
import type { RunOptions } from "../runner.ts";
import type { Capacity } from "./workflow/workflow_check.ts";

/** The settings of a run on which its capacity depends. */
interface CapacitySettings {
  readonly runOptions: Pick<RunOptions, "concurrency">;
  readonly resources: Readonly<Record<string, { readonly units: number }>>;
  readonly nats: NatsOptions | undefined;
}

/** Returns the capacity of a run. */
export async function capacityOf({ runOptions, resources, nats }: CapacitySettings): Promise<Capacity> {
  return {
    concurrency: runOptions.concurrency ?? (nats ? await natsConcurrency() : availableParallelism()),
    resources: Object.fromEntries(Object.entries(resources).map(([name, { units }]) => [name, units])),
  };
}

async function natsConcurrency(): Promise<number> {
  return (await import("../nats/executor/nats_executor.ts")).NATS_CONCURRENCY;
}
