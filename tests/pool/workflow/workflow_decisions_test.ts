import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import fc from "fast-check";
import { InvalidTaskError, type Outcome, type Task } from "../../../mod.ts";
import { SeenTasks } from "../../../pool/workflow/seen_tasks.ts";
import { Workflow } from "../../../pool/workflow/workflow.ts";
import { OUTCOMES } from "../../../records/result.ts";
import type { CheckedTask } from "../../../records/task.ts";
import { EFFORT, SEED } from "../../support/helpers.ts";
import { test } from "../../support/test.ts";
import { prerequisitesOf, WorkflowOracle } from "../../support/workflow_oracle.ts";
import { FIRST_ID, workflowTasks } from "../../support/workflow_scenarios.ts";

const RAN: readonly Outcome[] = OUTCOMES.filter((outcome) => outcome !== "skipped");

/** A workflow with its oracle. */
class CheckedWorkflow {
  readonly workflow: Workflow;
  readonly tasks: Task[] = [];
  readonly nodes: number[] = [];
  readonly decided = new Map<number, string>();
  readonly outcomes = new Map<number, Outcome>();
  readonly decidedCycles: number[][] = [];
  isComplete = false;
  readonly #recorded: ReadonlyMap<string, Outcome>;

  constructor(recorded: ReadonlyMap<string, Outcome>, seen?: SeenTasks) {
    this.#recorded = recorded;
    const decide = (what: string) => (node: number) => {
      assertEquals(this.decided.get(node), undefined);
      this.decided.set(node, what);
    };
    this.workflow = new Workflow(seen, { outcomeOf: (id) => recorded.get(id) }, {
      ready: decide("run"),
      skipped: decide("skipped"),
      kept: decide("kept"),
    });
  }

  get oracle(): WorkflowOracle {
    const { tasks, isComplete, decidedCycles } = this;
    return new WorkflowOracle({
      ...{ tasks, isComplete, decidedCycles },
      outcomeOf: (index) => this.outcomes.get(index),
      recordedOf: (id) => this.#recorded.get(id),
    });
  }

  /** Adds a task. Returns false if the task is refused, as it should. */
  add(task: Task): boolean {
    const position = this.tasks.push(task);
    const idsOf = (tasks: readonly Task[]) => tasks.filter(({ id }) => id !== undefined).map(({ id }) => String(id));
    const isDone = ({ id }: Task) => id !== undefined && this.#recorded.get(String(id)) === "ok";
    const named = this.tasks.filter((task) => !isDone(task)).flatMap(prerequisitesOf);
    const isAmbiguous = idsOf(this.tasks).some((id, index, ids) => ids.indexOf(id) < index && named.includes(id));
    const add = () => {
      const node = this.workflow.declare(task as CheckedTask, position);
      this.nodes.push(node);
      this.workflow.link(node, task as CheckedTask);
    };
    if (isAmbiguous) assertThrows(add, InvalidTaskError);
    else add();
    return !isAmbiguous;
  }

  end(index: number, outcome: Outcome): void {
    this.outcomes.set(index, outcome);
    this.workflow.end(this.nodes[index]!, outcome);
  }

  decideCycles(): void {
    const { completeCycles } = this.oracle;
    assertEquals(this.workflow.decideCycles(), completeCycles.length > 0);
    this.decidedCycles.push(...completeCycles);
  }

  finish(): void {
    this.isComplete = true;
    this.decidedCycles.push(...this.oracle.undecidedCycles);
    this.workflow.finish();
  }

  check(): void {
    const { oracle, workflow } = this;
    let hasInvalid = this.decidedCycles.length > 0;
    this.nodes.forEach((node, index) => {
      const fate = oracle.fateOf(index);
      assertEquals([index, this.decided.get(node) ?? "undecided"], [index, fate.kind]);
      assertEquals(
        workflow.isOpen(node),
        fate.kind === "undecided" || fate.kind === "run" && !this.outcomes.has(index),
      );
      if (fate.kind !== "skipped") return;
      const error = workflow.explain(node);
      if (fate.error.endsWith(": ")) assert(error.startsWith(fate.error), error);
      else assertEquals(error, fate.error);
      const isDirect = prerequisitesOf(this.tasks[index]!).some((id) =>
        error === `Skipped because no task has the id "${id}"`
      );
      hasInvalid ||= isDirect;
    });
    assertEquals(workflow.hasInvalidPrerequisites, hasInvalid);
    const ids = this.tasks.map(({ id }) => String(id));
    const isDone = ({ id }: Task) => id !== undefined && this.#recorded.get(String(id)) === "ok";
    const named = this.tasks.filter((task) => !isDone(task)).flatMap(prerequisitesOf);
    const unread = named.filter((id) => !ids.includes(id) && this.#recorded.get(id) !== "ok");
    const first = this.isComplete ? undefined : unread[0];
    assertEquals(workflow.firstUnread(), first);
  }
}

const ids = fc.nat({ max: 10 }).map((index) => String(FIRST_ID + index));
const recorded = fc.oneof(
  fc.constant(new Map<string, Outcome>()),
  fc.array(fc.tuple(ids, fc.constantFrom<Outcome>("ok", "skipped", "skipped", "failed")))
    .map((entries) => new Map(entries)),
);
const steps = fc.array(
  fc.record({ kind: fc.constantFrom("add", "add", "end", "cycles"), which: fc.nat({ max: 99 }) }),
  {
    maxLength: 40,
    size: "max",
  },
);

test("Workflow decides each task once, as its oracle does", () => {
  const outcomes = fc.infiniteStream(fc.constantFrom<Outcome>("ok", "ok", ...RAN));
  const property = fc.property(workflowTasks, recorded, steps, outcomes, (tasks, recorded, steps, outcomes) => {
    const checked = new CheckedWorkflow(recorded);
    const left = [...tasks];
    const end = (which: number) => {
      const running = checked.nodes.flatMap((node, index) =>
        checked.decided.get(node) === "run" && !checked.outcomes.has(index) ? [index] : []
      );
      if (running.length > 0) checked.end(running[which % running.length]!, outcomes.next().value);
      return running.length > 0;
    };
    for (const { kind, which } of steps) {
      if (kind === "end") end(which);
      else if (kind === "cycles") checked.decideCycles();
      else if (left.length > 0 && !checked.add(left.shift()!)) return;
      checked.check();
    }
    for (const task of left) if (!checked.add(task)) return;
    checked.finish();
    do checked.check(); while (end(0));
    assertEquals(checked.decided.size, tasks.length);
  });
  fc.assert(property, { numRuns: 500 * EFFORT, seed: SEED });
});

test("Workflow decides many tasks at once without recursion", () => {
  const size = 100_000;
  const checked = new CheckedWorkflow(new Map());
  const { workflow, decided } = checked;
  for (let number = 0; number < size; number++) {
    const task = { cmd: "x", id: number, ...(number > 0 && { after: number - 1 }) };
    workflow.link(workflow.declare(task, number + 1), task);
  }
  workflow.end(0, "failed");
  assertEquals([decided.size, decided.get(size - 1)], [size, "skipped"]);
  assertEquals(workflow.explain(size - 1), 'Skipped because the outcome of "0" is failed');
});

test("Workflow decides a task that waits for a task that is skipped when it is read", () => {
  const checked = new CheckedWorkflow(new Map());
  checked.add({ cmd: "x", id: "last", after: "later" });
  checked.add({ cmd: "x", id: "failed" });
  checked.end(1, "failed");
  checked.add({ cmd: "x", id: "later", after: "failed" });
  checked.check();
  assertEquals(checked.decided.get(checked.nodes[0]!), "skipped");
});

test("Workflow continues with the tasks that were seen before", () => {
  const seen = new SeenTasks();
  for (let number = 0; number < 200; number++) seen.add(`${number}`);
  OUTCOMES.forEach((outcome, number) => seen.end(`${number}`, outcome));
  seen.add("199");
  seen.end("199", "ok");
  const { workflow, decided } = new CheckedWorkflow(new Map(), seen);
  const add = (id: string, after: string[], runIf?: Task["runIf"]) => {
    const task = { cmd: "x", id, after, ...(runIf && { runIf }) };
    const node = workflow.declare(task, 201 + decided.size);
    workflow.link(node, task);
    return node;
  };
  const ended = OUTCOMES.map((_, number) => add(`after ${number}`, [`${number}`]));
  assertEquals(ended.map((node) => decided.get(node)), OUTCOMES.map((outcome) => outcome === "ok" ? "run" : "skipped"));
  const waiting = add("waiting", ["100", "101"], "failed");
  workflow.end(100, "ok");
  assertEquals(decided.get(waiting), undefined);
  workflow.end(101, "timeout");
  assertEquals(decided.get(waiting), "run");
  assertThrows(() => add("ambiguous", ["199"]), InvalidTaskError);
  assertThrows(() => workflow.declare({ cmd: "x", id: "0" }, 300), InvalidTaskError);
  assert(workflow.declare({ cmd: "x", id: "150" }, 300) >= 200);
  workflow.finish();
  assertEquals(workflow.isOpen(102), true);
});

test("SeenTasks keeps the outcomes of ids that only one task has", () => {
  const action = fc.record({
    isEnd: fc.boolean(),
    id: fc.nat({ max: 90 }).map(String),
    outcome: fc.constantFrom(...OUTCOMES),
  });
  const property = fc.property(fc.array(action, { maxLength: 200, size: "max" }), (actions) => {
    const seen = new SeenTasks();
    const counts = new Map<string, number>();
    const outcomes = new Map<string, Outcome>();
    for (const { isEnd, id, outcome } of actions) {
      if (!isEnd) {
        seen.add(id);
        counts.set(id, (counts.get(id) ?? 0) + 1);
      } else if (counts.has(id)) {
        seen.end(id, outcome);
        if (counts.get(id) === 1) outcomes.set(id, outcome);
      }
    }
    for (const [id, count] of counts) {
      const number = [...counts.keys()].indexOf(id);
      assertEquals([seen.ids.idOf(number), seen.isAmbiguous(number)], [id, count > 1]);
      assertEquals(seen.outcomeAt(number), count > 1 ? undefined : outcomes.get(id));
    }
  });
  fc.assert(property, { numRuns: 200 * EFFORT, seed: SEED });
});
