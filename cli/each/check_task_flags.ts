import { formatCount } from "../../text/format.ts";
import { UsageError } from "../args/usage_error.ts";
import type { Capacity } from "../workflow/workflow_check.ts";
import type { InputFlags } from "./flags.ts";

/**
 * Checks that a run can start the tasks of `each`.
 *
 * @throws {UsageError} for more slots or units than the run has.
 */
export function checkTaskFlags({ uses = [], slots = 1 }: InputFlags, { concurrency, resources }: Capacity): void {
  if (slots > concurrency) {
    throw new UsageError(
      `--slots must be at most the number of --jobs, which is ${formatCount(concurrency)}, got ${slots}`,
    );
  }
  for (const [name, units] of uses) {
    if (!Object.hasOwn(resources, name)) {
      throw new UsageError(`Missing --resource ${name}=N: the units for --uses ${name}`);
    }
    if (units <= resources[name]!) continue;
    const all = `--resource ${name}=${resources[name]}`;
    throw new UsageError(`--uses must be at most the units of the resource, got ${name}=${units} with ${all}`);
  }
}
