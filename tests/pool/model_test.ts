import fc from "fast-check";
import { EFFORT, SEED, TIMEOUT } from "../support/helpers.ts";
import { schedules, settings } from "../support/pool_actions.ts";
import { PoolHarness } from "../support/pool_harness.ts";
import { test } from "../support/test.ts";

const RUNS = 500 * EFFORT;

test(
  "a pool agrees with its model in any schedule of events",
  { timeout: TIMEOUT.timeout * EFFORT },
  async () => {
    const property = fc.asyncProperty(settings, schedules, async (settings, schedule) => {
      const harness = new PoolHarness(settings);
      await harness.clock.during(async () => {
        await fc.asyncModelRun(() => ({ model: {}, real: harness }), schedule);
        await harness.finish();
      });
    });
    await fc.assert(property, { numRuns: RUNS, seed: SEED });
  },
);
