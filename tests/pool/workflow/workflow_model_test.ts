import fc from "fast-check";
import type { Outcome, Task, TaskResult } from "../../../mod.ts";
import { isWorkflowTask } from "../../../pool/task_feed.ts";
import { EFFORT, SEED, TIMEOUT } from "../../support/helpers.ts";
import { test } from "../../support/test.ts";
import { WorkflowHarness } from "../../support/workflow_harness.ts";
import { type WorkflowFacts, WorkflowOracle } from "../../support/workflow_oracle.ts";
import { FIRST_ID, recordedOutcomes, type Scenario, scenarios } from "../../support/workflow_scenarios.ts";

const RUNS = 500 * EFFORT;
const LIMIT = { timeout: TIMEOUT.timeout * EFFORT };

/** Plays a scenario to the end of its run, and returns the results. */
async function play(scenario: Scenario, recorded: ReadonlyMap<string, Outcome> = new Map()): Promise<TaskResult[]> {
  const { settings, schedule, ends } = scenario;
  const isWorkflow = scenario.tasks.some(isWorkflowTask);
  const isKnown = settings.source === "array" || settings.source === "iterable" && scenario.isReadFirst;
  const harness = new WorkflowHarness({ ...settings, ...scenario, isReadFirst: isWorkflow && isKnown, recorded });
  await harness.clock.during(async () => {
    await harness.settle();
    for (const { action, isFollowed, inCallback } of schedule) {
      if (inCallback && !settings.isExact) harness.performInCallback(action);
      else await harness.perform(action, isFollowed && !settings.isExact);
    }
    await harness.settle();
    await harness.finish(ends);
  });
  return harness.results;
}

test("a workflow agrees with its model in any schedule of events", LIMIT, async () => {
  const property = fc.asyncProperty(scenarios, async (scenario) => void await play(scenario));
  await fc.assert(property, { numRuns: RUNS, seed: SEED });
});

/** A scenario that ends only after all tasks, whatever the tasks are. */
function withoutEnd({ settings, schedule, ...scenario }: Scenario): Scenario {
  const isHarmless = ({ action }: Scenario["schedule"][0]) =>
    !["drain", "abort", "kill", "return", "fail source", "concurrency"].includes(action.kind);
  return {
    ...scenario,
    settings: { ...settings, halt: undefined, concurrency: 4, maxWaiting: 100, failsAfter: Infinity },
    schedule: schedule.filter(isHarmless),
  };
}

const resumes = fc.record({
  interrupted: fc.array(scenarios, { minLength: 1, maxLength: 3 }),
  last: scenarios,
  runsFailedAgain: fc.boolean(),
  filters: fc.boolean(),
});

test("a workflow that is interrupted and resumed until its end gives each task its result", LIMIT, async () => {
  const property = fc.asyncProperty(resumes, async ({ interrupted, last, runsFailedAgain, filters }) => {
    const tasks = interrupted[0]!.tasks.map((task, index): Task => ({ ...task, id: String(FIRST_ID + index) }));
    const results: TaskResult[] = [];
    for (const scenario of [...interrupted, withoutEnd(last)]) {
      const recorded = recordedOutcomes(results);
      const outcomeOf = ({ id }: Task) => recorded.get(String(id)) ?? "skipped";
      const unfinished = tasks.filter((task) => ["ok", "skipped"].includes(outcomeOf(task)) || runsFailedAgain);
      // The earlier tasks of a stream run again, until there is a workflow.
      const isFiltered = filters || scenario.settings.source !== "array" || !unfinished.some(isWorkflowTask);
      const left = unfinished.filter((task) => outcomeOf(task) !== "ok" || !isFiltered);
      results.push(...await play({ ...scenario, tasks: left }, recorded));
    }
    const { undecidedCycles } = new WorkflowOracle({ ...factsOf(tasks, results), decidedCycles: [] });
    checkFinal(tasks, results, undecidedCycles, runsFailedAgain);
  });
  await fc.assert(property, { numRuns: RUNS / 4, seed: SEED });
});

/** Returns the facts after the last run. */
function factsOf(tasks: readonly Task[], results: readonly TaskResult[]): Omit<WorkflowFacts, "decidedCycles"> {
  const final = new Map(results.map(({ id, outcome }) => [id, outcome]));
  return {
    tasks,
    isComplete: true,
    outcomeOf(index) {
      const outcome = final.get(String(FIRST_ID + index));
      return outcome === "skipped" ? undefined : outcome;
    },
    recordedOf: () => undefined,
  };
}

/** Checks the results of all runs of a workflow. */
function checkFinal(
  tasks: readonly Task[],
  results: readonly TaskResult[],
  decidedCycles: readonly number[][],
  runsFailedAgain: boolean,
): void {
  const oracle = new WorkflowOracle({ ...factsOf(tasks, results), decidedCycles });
  const check = (isTrue: boolean, what: string) => {
    if (!isTrue) throw new Error(`${what}; results: ${JSON.stringify(results)}`);
  };
  tasks.forEach(({ id }, index) => {
    const all = results.filter((result) => result.id === id && result.outcome !== "canceled");
    check(all.length > 0, `${id} has a result`);
    if (!runsFailedAgain) check(all.length === 1, `${id} has one result`);
    check(all.filter(({ outcome }) => outcome === "ok").length <= 1, `${id} is ok once`);
    const fate = oracle.fateOf(index);
    const { outcome, error } = all.at(-1)!;
    if (outcome === "skipped") {
      check(fate.kind === "skipped", `${id} is skipped rightly`);
      if (fate.kind === "skipped" && !runsFailedAgain) {
        check(error!.startsWith(fate.error), `${id} names its cause: ${fate.error}`);
      }
    } else if (!runsFailedAgain) check(fate.kind === "run", `${id} runs rightly`);
  });
}
