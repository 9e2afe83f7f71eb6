/** Workflows: killed and resumed at random instants, and resources that tasks check themselves. */

import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import type { Outcome, Task, TaskResult } from "../../mod.ts";
import { EFFORT, jsonLines, randomNumbers, scaledCount, SEED, TIMEOUT } from "../support/helpers.ts";
import { Sandbox } from "../support/sandbox.ts";
import { test } from "../support/test.ts";

const LONG = { timeout: TIMEOUT.timeout * Math.max(1, EFFORT) };

/** A graph of tasks with the outcomes that follow from it. */
interface Graph {
  tasks: readonly Task[];
  prerequisites: ReadonlyMap<string, readonly string[]>;
  outcomes: ReadonlyMap<string, Outcome>;
  /** The prerequisite that caused each skipped task, and may itself have been skipped. */
  culprits: ReadonlyMap<string, string>;
}

/**
 * Returns a random graph, in random order. Each task appends its id and the round to the ledger, in a single write, when it
 * starts and when it ends.
 */
function randomGraph(count: number, ledger: string, random: () => number): Graph {
  const below = (limit: number) => Math.floor(random() * limit);
  const tasks: Task[] = [];
  const prerequisites = new Map<string, readonly string[]>();
  const outcomes = new Map<string, Outcome>();
  const culprits = new Map<string, string>();
  for (let index = 0; index < count; index++) {
    const id = `task ${index}`;
    const near = Math.min(index, 30);
    const after = Array.from(
      new Set(Array.from({ length: Math.min(near, below(4)) }, () => `task ${index - 1 - below(near)}`)),
    );
    const runIf = after.length === 0 ? undefined : ([undefined, "ok", "ok", "done", "failed"] as const)[below(5)];
    const kind = (["ok", "ok", "ok", "slow", "fails", "ok at last"] as const)[below(index % 4 === 0 ? 6 : 3)]!;
    const end = { "ok": ":", "slow": `sleep 0.00${below(10)}`, "fails": "false" } as const;
    const middle = kind === "ok at last" ? '[ "$TASKRUNNER_ATTEMPT" = 2 ]' : end[kind];
    const note = (what: string) => `echo "${what} ${index} $ROUND" >> ${ledger}`;
    tasks.push({
      id,
      cmd: `${note("start")}; ${middle}; s=$?; ${note("end")}; exit $s`,
      ...after.length > 0 && { after: after.length === 1 ? after[0]! : after },
      ...runIf && { runIf },
      ...kind === "ok at last" && { retries: 1 },
      ...below(4) === 0 && { priority: below(5) - 2 },
      ...below(10) === 0 && { slots: 2 },
    });
    prerequisites.set(id, after);
    const notOk = after.find((other) => outcomes.get(other) !== "ok");
    const culprit = runIf === "done" ? undefined : runIf === "failed" ? notOk ? undefined : after[0] : notOk;
    if (culprit === undefined) outcomes.set(id, kind === "fails" ? "failed" : "ok");
    else {
      outcomes.set(id, "skipped");
      culprits.set(id, culprit);
    }
  }
  for (let index = count - 1; index > 0; index--) {
    const other = below(index + 1);
    [tasks[index], tasks[other]] = [tasks[other]!, tasks[index]!];
  }
  return { tasks, prerequisites, outcomes, culprits };
}

/**
 * Returns the tasks that an explanation of a skipped task may name: the root of the skips and, because a resumed run sees
 * only the outcome of a task that an earlier run has skipped, the nearest of these.
 */
function causesOf(id: string, { culprits }: Graph, roundOfResult: ReadonlyMap<string, number>): string[] {
  let cause = culprits.get(id)!;
  const causes: string[] = [];
  for (; culprits.has(cause); cause = culprits.get(cause)!) {
    if (causes.length === 0 && roundOfResult.get(cause)! < roundOfResult.get(id)!) causes.push(cause);
  }
  return [...causes, cause];
}

/** Asserts that the results of a graph are complete and right, each after those of its prerequisites. */
function assertResults(
  graph: Graph,
  results: readonly TaskResult[],
  roundOfResult: ReadonlyMap<string, number>,
): void {
  const { tasks, prerequisites, outcomes } = graph;
  const lines = new Map(results.map(({ id }, line) => [id, line]));
  assertEquals([results.length, lines.size], [tasks.length, tasks.length], "each task has one result");
  for (const { id, outcome, error, attempts, slot } of results) {
    assertEquals([id, outcome, error], [id, outcomes.get(id), outcome === "skipped" ? error : undefined]);
    for (const other of prerequisites.get(id)!) {
      assert(lines.get(other)! < lines.get(id)!, `${id} has its result before its prerequisite ${other}`);
    }
    if (outcome !== "skipped") continue;
    assertEquals([attempts, slot], [0, 0]);
    const causes = causesOf(id, graph, roundOfResult);
    assert(causes.some((cause) => error!.includes(JSON.stringify(cause))), `${id}: ${error}, expected ${causes}`);
  }
}

/**
 * Asserts from the lines of tasks that in each round, a task starts after the last line of its prerequisites in that round,
 * or after the round that recorded their results; that no skipped task starts; and that none starts in a round after the
 * one that recorded its result. When SIGKILL has kept results from being written, both a prerequisite and its dependent may
 * run again.
 */
function assertLedger(
  { prerequisites, outcomes }: Graph,
  ledger: string,
  roundOfResult: ReadonlyMap<string, number>,
): void {
  /** By id and round: the numbers of the first and of the last line. */
  const spans = new Map<string, Map<number, { first: number; last: number }>>();
  for (const [line, text] of readFileSync(ledger, "utf8").trimEnd().split("\n").entries()) {
    const [, number, round] = text.split(" ").map(Number) as [number, number, number];
    const id = `task ${number}`;
    const rounds = spans.get(id) ?? new Map<number, { first: number; last: number }>();
    spans.set(id, rounds.set(round, { first: rounds.get(round)?.first ?? line, last: line }));
    assert(round <= roundOfResult.get(id)!, `${id} had a result, and ran again in round ${round}`);
  }
  for (const [id, outcome] of outcomes) {
    assertEquals(spans.has(id), outcome !== "skipped", `${id} is ${outcome}`);
    for (const [round, { first }] of spans.get(id) ?? []) {
      for (const other of prerequisites.get(id)!) {
        const span = spans.get(other)?.get(round);
        const isOver = span
          ? span.last < first
          : outcomes.get(other) === "skipped" || roundOfResult.get(other)! < round;
        assert(isOver, `${id} ran in round ${round} before its prerequisite ${other} had ended`);
      }
    }
  }
}

/** Waits until a file has a size, with as little delay as possible; returns early when the run has ended. */
async function waitForSize(path: string, bytes: number, isOver: () => boolean): Promise<void> {
  while (!isOver() && (existsSync(path) ? statSync(path).size : 0) < bytes) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Runs a graph, kills the command a number of times, and resumes it until it ends. */
async function killAndResume(sandbox: Sandbox, fromFile: boolean, kills: number, random: () => number): Promise<void> {
  const ledger = join(sandbox.directory, "ledger");
  const graph = randomGraph(400, ledger, random);
  const file = join(sandbox.directory, "tasks.jsonl");
  const text = jsonLines(graph.tasks);
  writeFileSync(file, text);
  const roundOfResult = new Map<string, number>();
  const args = [fromFile ? file : "-", "-q", "-j4", "-o", sandbox.output, "--resume"];
  let whole = "";
  for (let round = 1; round <= kills + 1; round++) {
    const options = { stdin: fromFile ? "" : text, env: { ROUND: `${round}` } };
    const { child, ended } = sandbox.start(args, options);
    let isOver = false;
    const over = ended.finally(() => isOver = true);
    if (round <= kills) {
      // The progress decides about the instant, so that it is within the run, however fast the machine is.
      const size = existsSync(ledger) ? statSync(ledger).size : 0;
      await waitForSize(ledger, size + 1 + Math.floor(random() * 4_000), () => isOver);
      child.kill("SIGKILL");
    }
    const { status, signal, stderr } = await over;
    // A task that is still running must not write to the ledger while the next round runs the same task.
    await sandbox.removeLeftovers();
    const all = existsSync(sandbox.output) ? readFileSync(sandbox.output, "utf8") : "";
    assert(all.startsWith(whole), "a result that was written has changed");
    const added = all.slice(whole.length, all.lastIndexOf("\n") + 1);
    whole += added;
    for (const { id } of sandbox.resultsIn(added)) {
      assert(!roundOfResult.has(id), `${id} has two results`);
      roundOfResult.set(id, round);
    }
    if (signal === null) {
      const failures = sandbox.resultsIn(added).filter(({ outcome }) => outcome === "failed").length;
      assertEquals([status, roundOfResult.size], [Math.min(failures, 101), graph.tasks.length], stderr);
    } else if (random() < 0.5) appendFileSync(sandbox.output, '{"id":"task 1","status":0,"outcome":"o');
  }
  assertResults(graph, sandbox.results(), roundOfResult);
  assertLedger(graph, ledger, roundOfResult);
}

test("a workflow that SIGKILL interrupts at random instants gives each task one result, in order", LONG, async () => {
  const random = randomNumbers(SEED);
  try {
    for (let graph = 0; graph < scaledCount(12); graph++) {
      await Sandbox.with((sandbox) => killAndResume(sandbox, graph % 2 === 0, 3 + graph % 3, random));
    }
  } catch (error) {
    console.error(`TASKRUNNER_TEST_SEED=${SEED}`);
    throw error;
  }
});

/** A shell function that adds units to the directories to create. Fails when the number of units is wrong. */
const TAKE_UNITS = `
take() { # NAME COUNT UNITS
  name=$1 count=$2 IFS=,
  set -- $3
  unset IFS
  [ $# = "$count" ] || { echo "$name: $# units instead of $count" >&2; exit 1; }
  for unit; do locks="$locks $name-$unit"; done
}`;
/** Creates a directory for each unit and removes them: mkdir fails when another task has created one. */
const LOCK_UNITS = "mkdir $locks && rmdir $locks";

test("10,000 tasks never use more units than a resource has", LONG, async () => {
  const random = randomNumbers(SEED);
  const below = (limit: number) => Math.floor(random() * limit);
  await Sandbox.with(async (sandbox) => {
    const units = join(sandbox.directory, "units");
    mkdirSync(units);
    const tasks = Array.from({ length: scaledCount(10_000) }, (_, index): Task => {
      const [gpu, mem_gb] = [below(3), below(6)];
      const lines = [
        gpu > 0 ? `take gpu ${gpu} "$TASKRUNNER_GPU"` : '[ -z "$TASKRUNNER_GPU" ] || exit 2',
        gpu > 0 ? '[ "$CUDA_VISIBLE_DEVICES" = "$TASKRUNNER_GPU" ] || exit 3' : ":",
        mem_gb > 0 ? `take mem_gb ${mem_gb} "$TASKRUNNER_MEM_GB"` : ":",
      ];
      return {
        id: `${index}`,
        cmd: `${TAKE_UNITS}\nlocks=slot-$TASKRUNNER_SLOT\n${lines.join("\n")}\n${LOCK_UNITS}`,
        cwd: units,
        uses: { ...gpu > 0 && { gpu }, ...mem_gb > 0 && { mem_gb } },
        ...below(5) === 0 && { slots: 1 + below(4) },
        ...below(5) === 0 && { priority: below(3) },
      };
    });
    const args = ["-j8", "--resource", "gpu=2:CUDA_VISIBLE_DEVICES", "--resource", "mem_gb=6"];
    const { status, stderr } = await (await sandbox.run(tasks, args)).ended;
    const failed = sandbox.results().filter(({ outcome }) => outcome !== "ok");
    assertEquals(failed.slice(0, 3), [], `TASKRUNNER_TEST_SEED=${SEED}`);
    assertEquals([status, stderr, readdirSync(units)], [0, "", []]);
    sandbox.assertOneResultEach(tasks.map(({ id }) => `${id}`));
    const uses = sandbox.results().map(({ id, uses }) => [id, uses ?? {}]);
    assertEquals(Object.fromEntries(uses), Object.fromEntries(tasks.map(({ id, uses }) => [id, uses])));
  });
});

test("the check inside the tasks finds a unit that another task uses", async () => {
  await Sandbox.with(async (sandbox) => {
    const units = join(sandbox.directory, "units");
    mkdirSync(join(units, "gpu-1"), { recursive: true });
    const cmd = (count: number, list: string) => `${TAKE_UNITS}\ntake gpu ${count} ${list}\n${LOCK_UNITS}`;
    const tasks = [cmd(1, "0"), cmd(2, "0,1"), cmd(1, "0,1")].map((cmd, index) => ({ id: index, cmd, cwd: units }));
    await (await sandbox.run(tasks, ["-j1"])).ended;
    assertEquals(sandbox.results().map(({ outcome }) => outcome), ["ok", "failed", "failed"]);
  });
});
