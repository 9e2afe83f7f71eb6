import { test } from "node:test";
import fc from "fast-check";
import { EFFORT, SEED, TIMEOUT } from "../support/helpers.ts";
import { schedules, settings } from "../support/pool_deeds.ts";
import { PoolWorld } from "../support/pool_world.ts";

const RUNS = 500 * EFFORT;

test(
  "whatever happens to a pool, and in whatever order, it keeps its promises",
  { timeout: TIMEOUT.timeout * EFFORT },
  async () => {
    const keepsItsPromises = fc.asyncProperty(settings, schedules, async (settings, schedule) => {
      const world = new PoolWorld(settings);
      await world.clock.during(async () => {
        await fc.asyncModelRun(() => ({ model: {}, real: world }), schedule);
        await world.windUp();
      });
    });
    await fc.assert(keepsItsPromises, { numRuns: RUNS, seed: SEED });
  },
);
