import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import fc from "fast-check";
import type { TaskResult } from "../../mod.ts";
import { isFailure, type Outcome } from "../../records/result.ts";
import { ReportCollector } from "../../report/collector.ts";
import type { WorkflowData } from "../../report/data.ts";
import { criticalPath, linkTimes } from "../../report/workflow/critical_path.ts";
import { ResourceUse } from "../../report/workflow/resource_use.ts";
import { ResultGraph } from "../../report/workflow/result_graph.ts";
import { skipCauses } from "../../report/workflow/skip_causes.ts";
import { WorkflowCollector } from "../../report/workflow/workflow_data.ts";
import { factsOf } from "../../results/statistics/results_reader.ts";
import { resultWith } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const START_MS = Date.parse("2026-11-30T08:00:00.000Z");

/** Asserts that two sums of floating-point numbers are equal, except for rounding. */
function assertNear(actual: number, expected: number): void {
  assert(Math.abs(actual - expected) < 1e-3, `${actual} is not ${expected}`);
}

/** Returns a result with times in milliseconds since the start of the run. */
function resultAt(id: string, startMs: number, durationMs: number, fields: Partial<TaskResult> = {}): TaskResult {
  return resultWith({ id, startedAt: new Date(START_MS + startMs).toISOString(), durationMs, ...fields });
}

function skipped(id: string, atMs: number, after: readonly string[]): TaskResult {
  return resultAt(id, atMs, 0, { outcome: "skipped", status: null, attempts: 0, slot: 0, after });
}

function graphOf(results: readonly TaskResult[]): ResultGraph {
  const graph = new ResultGraph();
  for (const result of results) graph.add(factsOf(result));
  return graph;
}

function pathOf(results: readonly TaskResult[]): string[] {
  const graph = graphOf(results);
  return criticalPath(graph).map((node) => graph.idOf(node));
}

/** Returns the reason of each skipped task, as `KIND ID`. */
function causesOf(results: readonly TaskResult[]): Record<string, string> {
  const graph = graphOf(results);
  const causes = skipCauses(graph);
  assertEquals(causes, causes.toSorted((one, other) => other.skipped.length - one.skipped.length));
  return Object.fromEntries(
    causes.flatMap(({ node, kind, skipped }) =>
      skipped.map((task) => [graph.idOf(task), `${kind} ${graph.idOf(node)}`] as const)
    ).sort(([one], [other]) => one < other ? -1 : 1),
  );
}

function workflowOf(results: readonly TaskResult[], spanMs = 1_000): WorkflowData {
  const collector = new WorkflowCollector();
  for (const result of results) collector.add(factsOf(result));
  return collector.data(START_MS, spanMs);
}

/** Tasks that name earlier tasks as prerequisites, with durations and a delay before the start. */
const anyTasks = fc.array(
  fc.record({
    after: fc.uniqueArray(fc.nat(30), { maxLength: 4 }),
    delayMs: fc.nat(50),
    durationMs: fc.nat(100),
    isOk: fc.boolean(),
    runIf: fc.constantFrom("ok", "ok", "failed", "done"),
  }),
  { minLength: 1, maxLength: 12 },
).map((tasks) =>
  tasks.map((task, index) => ({ ...task, after: index === 0 ? [] : task.after.map((id) => id % index) }))
)
  .map((tasks) => tasks.map((task) => ({ ...task, after: [...new Set(task.after)] })));

/** Runs tasks as the design says. Returns their results, in the order of their ends, and the reason of each skipped task. */
function simulate(tasks: typeof anyTasks extends fc.Arbitrary<infer Tasks> ? Tasks : never) {
  const results: TaskResult[] = [];
  const reasons: Record<string, string> = {};
  const outcomes: Outcome[] = [];
  const ends: number[] = [];
  for (const [index, { after, delayMs, durationMs, isOk, runIf }] of tasks.entries()) {
    const id = `task ${index}`;
    const ids = after.map((other) => `task ${other}`);
    const readyMs = Math.max(0, ...after.map((other) => ends[other]!));
    const isWrong = (other: number) => runIf === "ok" ? outcomes[other] !== "ok" : outcomes[other] === "ok";
    const mayRun = after.length === 0 || runIf === "done" ||
      (runIf === "ok" ? !after.some(isWrong) : !after.every(isWrong));
    if (!mayRun) {
      const wrong = after.find(isWrong)!;
      reasons[id] = reasons[`task ${wrong}`] ?? `${outcomes[wrong]} task ${wrong}`;
    }
    outcomes.push(!mayRun ? "skipped" : isOk ? "ok" : "failed");
    // No two tasks end at the same time, and starts are whole milliseconds.
    const endMs = 16 * Math.ceil((readyMs + delayMs + durationMs) / 16) + index;
    const startMs = mayRun ? readyMs + delayMs : endMs;
    ends.push(endMs);
    results.push(
      mayRun
        ? resultAt(id, startMs, endMs - startMs, { outcome: outcomes[index]!, status: isOk ? 0 : 1, after: ids })
        : skipped(id, startMs, ids),
    );
  }
  results.sort((one, other) => endOf(one) - endOf(other));
  return { results, reasons };
}

const endOf = ({ startedAt, durationMs }: TaskResult) => Date.parse(startedAt) + durationMs;

/** Returns every chain of a task, its last prerequisite first, as the results in it. */
function chains(results: readonly TaskResult[], last: TaskResult): TaskResult[][] {
  const before = results.filter(({ id }) => last.after?.includes(id));
  if (before.length === 0) return [[last]];
  return before.flatMap((result) => chains(results, result).map((chain) => [last, ...chain]));
}

test("criticalPath() is, of all chains, the one that ends last, and whose earlier links end last", () => {
  fc.assert(fc.property(anyTasks, (tasks) => {
    const { results } = simulate(tasks);
    const all = results.filter(({ outcome }) => outcome !== "skipped").flatMap((last) => chains(results, last));
    all.sort((one, other) => {
      for (const [index, result] of one.entries()) {
        if (other[index] === undefined) return -1;
        if (endOf(result) !== endOf(other[index])) return endOf(other[index]) - endOf(result);
      }
      return 0;
    });
    assertEquals(pathOf(results), all[0]?.map(({ id }) => id).reverse() ?? []);
  }));
});

test("the times of the links of a critical path add up to the time of the run", () => {
  fc.assert(fc.property(anyTasks, (tasks) => {
    const { results } = simulate(tasks);
    if (!results.some(({ after }) => after!.length > 0)) return;
    const { criticalPath } = workflowOf(results);
    const ran = results.filter(({ outcome }) => outcome !== "skipped");
    const spanMs = Math.max(...ran.map(endOf)) - START_MS;
    const { waitingMs, runningMs, backoffMs } = criticalPath!;
    assertNear(waitingMs + runningMs + backoffMs, spanMs);
  }));
});

test("linkTimes() tells the running time of all attempts from the time between them", () => {
  const stderrEnd = "";
  const earlierAttempts = [
    {
      status: 1,
      outcome: "failed",
      slot: 1,
      startedAt: new Date(START_MS + 150).toISOString(),
      durationMs: 10,
      stderrEnd,
    },
    {
      status: 1,
      outcome: "failed",
      slot: 2,
      startedAt: new Date(START_MS + 200).toISOString(),
      durationMs: 20,
      stderrEnd,
    },
  ] as const;
  const graph = graphOf([
    resultAt("a", 0, 100),
    resultAt("b", 300, 50, { attempts: 3, earlierAttempts, after: ["a"] }),
  ]);
  assertEquals(linkTimes(graph, graph.find("b"), graph.endOf(graph.find("a"))), {
    waitingMs: 50,
    runningMs: 80,
    backoffMs: 120,
  });
  graph.add(factsOf(resultAt("c", 0, 102.893)));
  assertEquals(linkTimes(graph, graph.find("c"), START_MS).backoffMs, 0, "a single attempt, whatever its duration");
  // A start is accurate to a millisecond only.
  assertEquals(linkTimes(graph, graph.find("b"), START_MS + 150.5).waitingMs, 0);
});

test("criticalPath() starts at a task that ran, and follows skipped prerequisites", () => {
  const results = [
    resultAt("build", 0, 100, { outcome: "failed", status: 1 }),
    skipped("test", 100, ["build"]),
    resultAt("cleanup", 110, 5, { after: ["test"] }),
    skipped("report", 900, ["test"]),
  ];
  assertEquals(pathOf(results), ["build", "test", "cleanup"]);
  assertEquals(pathOf([skipped("a", 0, ["b"])]), []);
});

test("the last result of a task counts, with its prerequisites", () => {
  const results = [
    resultAt("a", 0, 10),
    resultAt("b", 0, 20),
    resultAt("c", 20, 10, { outcome: "failed", after: ["a", "b"] }),
    skipped("d", 30, ["c"]),
    resultAt("c", 1_000, 10, { after: ["a"] }),
    resultAt("d", 1_010, 10, { after: ["c"] }),
  ];
  assertEquals(pathOf(results), ["a", "c", "d"]);
  assertEquals(causesOf(results), {});
});

test("a cycle and a prerequisite without a result end the critical path", () => {
  assertEquals(pathOf([resultAt("a", 0, 1, { after: ["b"] }), resultAt("b", 5, 1, { after: ["a"] })]), ["a", "b"]);
  assertEquals(pathOf([resultAt("a", 0, 1, { after: ["a"] })]), ["a"]);
  assertEquals(pathOf([resultAt("a", 0, 1, { after: ["elsewhere", "a\ud800"] })]), ["a"]);
});

test("skipCauses() finds the task that caused each skip, as the scheduler does", () => {
  let skips = 0;
  fc.assert(fc.property(anyTasks, (tasks) => {
    const { results, reasons } = simulate(tasks);
    assertEquals(causesOf(results), Object.fromEntries(Object.entries(reasons).sort()));
    skips += Object.keys(reasons).length;
  }));
  assert(skips > 50);
});

test("skipCauses() names missing tasks and cycles", () => {
  const results = [
    skipped("a", 0, ["ok", "missing"]),
    skipped("b", 0, ["a"]),
    skipped("c", 0, ["b", "failed", "missing"]),
    resultAt("failed", 0, 1, { outcome: "failed", status: 1 }),
    skipped("x", 0, ["ok", "y"]),
    skipped("y", 0, ["z"]),
    skipped("z", 0, ["y"]),
    skipped("after z", 0, ["z"]),
    skipped("itself", 0, ["itself"]),
    skipped("alone", 0, []),
    resultAt("ok", 0, 1),
  ];
  assertEquals(causesOf(results), {
    "a": "missing missing",
    "after z": "cycle y",
    "alone": "skipped alone",
    "b": "missing missing",
    "c": "missing missing",
    "itself": "cycle itself",
    "x": "cycle y",
    "y": "cycle y",
    "z": "cycle y",
  });
});

test("a chain of 100,000 skipped tasks has one reason", () => {
  const results = [resultAt("0", 0, 1, { outcome: "killed" })];
  for (let index = 100_000; index > 0; index--) results.push(skipped(`${index}`, 1, [`${index - 1}`]));
  const { skipped: tasks } = workflowOf(results);
  assertEquals(tasks!.causes, [{
    id: "0",
    kind: "killed",
    tasks: 100_000,
    ids: ["100000", "99999", "99998", "99997", "99996"],
  }]);
});

test("a report lists the longest links of a critical path of 10,000 tasks, with gaps between", () => {
  let startMs = 0;
  const results = Array.from({ length: 10_000 }, (_, index) => {
    const durationMs = index % 500 === 7 ? 1_000 + index : 1;
    const result = resultAt(`${index}`, startMs + 1, durationMs, { after: index === 0 ? [] : [`${index - 1}`] });
    startMs += 1 + durationMs;
    return result;
  });
  const { criticalPath: path } = workflowOf(results);
  assertEquals([path!.tasks, path!.waitingMs], [10_000, 10_000]);
  assertNear(path!.runningMs, startMs - 10_000);
  const links = path!.rows.flatMap((row) => "id" in row ? [row.id] : []);
  assertEquals(links.length, 50);
  assertEquals([links[0], links.at(-1)], ["0", "9999"]);
  for (let index = 7; index < 10_000; index += 500) assert(links.includes(`${index}`));
  const gaps = path!.rows.flatMap((row) => "omitted" in row ? [row] : []);
  assertEquals(gaps.reduce((sum, { omitted }) => sum + omitted, 0), 9_950);
  const sum = path!.rows.reduce((sum, { runningMs, waitingMs }) => sum + runningMs + waitingMs, 0);
  assertNear(sum, startMs);
  path!.rows.slice(1).forEach((row, index) => assert("id" in row || "id" in path!.rows[index]!, "gaps are merged"));
});

test("a run without prerequisites, skipped tasks and resources has no such sections", () => {
  assertEquals(workflowOf([resultAt("a", 0, 1), resultAt("b", 0, 1, { slots: 2 })]), {
    criticalPath: undefined,
    skipped: undefined,
    isTooLarge: false,
    resources: [],
    omittedResources: 0,
  });
});

test("WorkflowCollector stays within its memory, and states that it has given up", () => {
  const collector = new WorkflowCollector(100_000);
  for (let index = 0; index < 10_000; index++) collector.add(factsOf(resultAt(`${index}`, 0, 1)));
  assertEquals(collector.data(START_MS, 1).isTooLarge, false);
  collector.add(factsOf(resultAt("last", 0, 1, { after: ["0"], uses: { gpu: 1 } })));
  const { isTooLarge, criticalPath, skipped, resources } = collector.data(START_MS, 1);
  assertEquals([isTooLarge, criticalPath, skipped, resources.length], [true, undefined, undefined, 1]);
});

test("ResourceUse has the mean and the peak of the units in use", () => {
  const anyUse = fc.record({
    // An overlap of a millisecond would not count.
    startMs: fc.nat(20).map((number) => number * 5),
    durationMs: fc.integer({ min: 1, max: 10 }).map((number) => number * 5),
    uses: fc.dictionary(fc.constantFrom("gpu", "mem_gb"), fc.nat(4)),
  });
  fc.assert(fc.property(fc.array(anyUse, { minLength: 1 }), (tasks) => {
    const resources = new ResourceUse();
    tasks.forEach(({ startMs, durationMs, uses }) =>
      resources.add(factsOf(resultAt("x", startMs, durationMs, { uses })))
    );
    const used = ["gpu", "mem_gb"].filter((name) => tasks.some(({ uses }) => uses[name]! > 0));
    assertEquals(resources.figures.map(({ name }) => name), used);
    for (const { name, unitMs, peak, series } of resources.figures) {
      const unitsAt = (ms: number) =>
        tasks.reduce((sum, { startMs, durationMs, uses }) => {
          return sum + (startMs <= ms && ms < startMs + durationMs ? uses[name] ?? 0 : 0);
        }, 0);
      const perMs = Array.from({ length: 150 }, (_, ms) => unitsAt(ms));
      assertEquals(peak, Math.max(...perMs));
      assertEquals(unitMs, perMs.reduce((sum, units) => sum + units, 0));
      assertNear(series.values.reduce((sum, value) => sum + value, 0), unitMs);
    }
  }));
});

test("ResourceUse does not count units twice because starts are rounded to milliseconds", () => {
  const resources = new ResourceUse();
  let nowMs = 0.9;
  for (let index = 0; index < 1_000; index++) {
    const durationMs = 0.05 + index % 7 * 0.61;
    resources.add(factsOf(resultAt(`${index}`, Math.floor(nowMs), durationMs, { uses: { gpu: 1 } })));
    nowMs += durationMs + 0.01;
  }
  assertEquals(resources.figures.map(({ peak }) => peak), [1]);
});

test("ResourceUse counts all attempts, no skipped task, and at most eight resources", () => {
  const resources = new ResourceUse();
  const earlierAttempts = [
    {
      status: 1,
      outcome: "failed",
      slot: 1,
      startedAt: new Date(START_MS).toISOString(),
      durationMs: 10,
      stderrEnd: "",
    },
  ] as const;
  resources.add(factsOf(resultAt("a", 20, 5, { attempts: 2, earlierAttempts, uses: { gpu: 2, none: 0 } })));
  resources.add(factsOf({ ...skipped("b", 0, ["a"]), uses: { gpu: 8 } }));
  assertEquals(resources.figures.map(({ name, unitMs, peak }) => [name, unitMs, peak]), [["gpu", 30, 2]]);
  for (let index = 0; index < 9; index++) resources.add(factsOf(resultAt("c", 0, 1, { uses: { [`r${index}`]: 1 } })));
  assertEquals([resources.figures.length, resources.omitted], [8, 2]);
});

test("ReportCollector does not list a skipped task as unsuccessful, slow or in a lane", () => {
  const collector = new ReportCollector();
  const results = [resultAt("a", 0, 10, { outcome: "failed", status: 1 }), skipped("b", 10, ["a"])];
  for (const result of results) collector.add(factsOf(result), () => result);
  const { failures, slowest, lanes, rows, workflow } = collector.data("name");
  assert(failures.every(({ outcome }) => isFailure(outcome)));
  assertEquals([failures.length, slowest.length, lanes, rows.ids], [1, 1, ["slot 1"], ["a", "b"]]);
  assertEquals(workflow.skipped, {
    tasks: 1,
    causes: [{ id: "a", kind: "failed", tasks: 1, ids: ["b"] }],
    omittedCauses: 0,
    omittedTasks: 0,
  });
});
