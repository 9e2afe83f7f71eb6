import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import { lastRuns, type MeasurementLine, type RawLine } from "../../dev/bench/raw_data.ts";
import { reportOf } from "../../dev/bench/report.ts";
import type { Figure, Goal, Row } from "../../dev/bench/row.ts";
import { chooseRows } from "../../dev/bench/rows.ts";
import type { RuntimeName } from "../../dev/bench/runtimes.ts";
import { judge, stateOf, valuesOf } from "../../dev/bench/verdict.ts";
import { test } from "../support/test.ts";

/** Returns a measurement of a contender; the fork is cheap. */
function sample(contender: string, round: number, rest: Partial<MeasurementLine> = {}): MeasurementLine {
  const base = { kind: "measurement" as const, row: "r", tasks: 100, seconds: 1, forkUs: 100, shellUs: 500 };
  return { ...base, contender, round, ...rest };
}

/** Returns measurements of `own` and `reference` in rounds, with the given ratios of their speeds. */
function samplesWith(speeds: readonly number[], rest: Partial<MeasurementLine> = {}): MeasurementLine[] {
  return speeds.flatMap((speed, index) => [
    sample("reference", index + 1, rest),
    sample("own", index + 1, { seconds: 1 / speed, ...rest }),
  ]);
}

function goalOf(rest: Partial<Goal> = {}): Goal {
  return {
    title: "speed",
    figure: "speed",
    contender: () => "own",
    targets: { cheap: { least: 2, aim: 3 }, expensive: { least: 1, aim: 1.5 } },
    ...rest,
  };
}

const ROW: Row = {
  name: "r",
  title: "`r`",
  tasks: 100,
  command: () => "",
  contenders: ["reference", "own", "peer"].map((name) => ({ name, command: "", needs: [] })),
  reference: "reference",
};

const levelOf = (samples: readonly MeasurementLine[], goal = goalOf(), runtime: RuntimeName = "deno") =>
  judge(ROW, goal, runtime, samples)?.level;

test("valuesOf() divides by the reference of the same round", () => {
  const samples = [
    sample("reference", 1, { seconds: 1 }),
    sample("own", 1, { seconds: 0.5 }),
    sample("own", 2), // without a reference
    sample("own", 3, { seconds: 0.5 }),
    sample("reference", 3, { seconds: 2 }),
  ];
  assertEquals(valuesOf(samples, "speed", "own", "reference"), [2, 4]);
});

test("lastRuns() keeps the last run of each row, with its failures", () => {
  const run: RawLine = { kind: "run", at: "", machine: "", versions: {}, rounds: 1, scale: 1 };
  const failure = (row: string): RawLine => ({ kind: "failure", row, contender: "c", reason: "" });
  const lines = [
    run,
    sample("c", 1, { row: "a" }),
    failure("a"),
    sample("c", 1, { row: "b" }),
    run,
    sample("c", 1, { row: "a", seconds: 2 }),
    failure("d"),
  ];
  assertEquals(lastRuns(lines), [0, 3, 4, 5, 6].map((index) => lines[index]!));
});

test("valuesOf() compares tasks per second, as slow contenders run a part of the tasks", () => {
  const samples = [sample("reference", 1, { tasks: 10, seconds: 1 }), sample("own", 1, { tasks: 100, seconds: 5 })];
  assertEquals(valuesOf(samples, "speed", "own", "reference"), [2]);
});

test("valuesOf() returns CPU time per task in µs, and ratios of memory", () => {
  const samples = [
    sample("reference", 1, { peakMiB: 50, cpuSeconds: 1 }),
    sample("own", 1, { peakMiB: 60, cpuSeconds: 0.004 }),
    sample("own", 2),
  ];
  assertEquals(valuesOf(samples, "cpu", "own"), [40]);
  assertEquals(valuesOf(samples, "memory", "own", "reference"), [1.2]);
});

test("judge() compares the median of the ratios with the target", () => {
  const { median, min, max, least, aim } = judge(ROW, goalOf(), "deno", samplesWith([1, 2.5, 9]))!;
  assertEquals({ median, min, max, least, aim }, { median: 2.5, min: 1, max: 9, least: 2, aim: 3 });
  assertEquals(levelOf(samplesWith([1, 1.9, 9])), "short");
  assertEquals(levelOf(samplesWith([1, 2, 9])), "least");
  assertEquals(levelOf(samplesWith([1, 3, 9])), "aim");
});

test("judge() takes the target for the state of the machine", () => {
  assertEquals(levelOf(samplesWith([1.2])), "short");
  assertEquals(levelOf(samplesWith([1.2], { forkUs: 251 })), "least");
  assertEquals([250, 251].map((forkUs) => stateOf([{ forkUs }])), ["cheap", "expensive"]);
  assertEquals(stateOf([{ forkUs: 100 }, { forkUs: 900 }, { forkUs: 200 }]), "cheap");
});

test("judge() takes the target for the runtime", () => {
  const target = { least: { deno: 0.75, bun: 0.9, node: 0.75 }, aim: 1 };
  const goal = goalOf({ targets: { cheap: target, expensive: target } });
  const levels = (["deno", "bun", "node"] as const).map((runtime) => levelOf(samplesWith([0.8]), goal, runtime));
  assertEquals(levels, ["least", "short", "least"]);
});

test("judge() wants less CPU time and less memory", () => {
  const target = { least: 1.1, aim: 1.05 };
  const levels = (figure: Figure, values: readonly number[]) =>
    values.map((value) => {
      const samples = [
        sample("reference", 1, { peakMiB: 100 }),
        sample("own", 1, { peakMiB: value * 100, cpuSeconds: value / 1e6, tasks: 1 }),
      ];
      return levelOf(samples, goalOf({ figure, targets: { cheap: target, expensive: target } }));
    });
  assertEquals(levels("memory", [1.2, 1.1, 1.05]), ["short", "least", "aim"]);
  assertEquals(levels("cpu", [1.2, 1.1, 1.05]), ["short", "least", "aim"]);
});

test("judge() can aim at more than the best of some contenders", () => {
  const target = { least: 2, aim: ["peer", "reference"] };
  const goal = goalOf({ targets: { cheap: target, expensive: target } });
  const withPeer = (speed: number) => [...samplesWith([2.5]), sample("peer", 1, { seconds: 1 / speed })];
  assertEquals([2.6, 2.5, 2.4].map((speed) => levelOf(withPeer(speed), goal)), ["least", "least", "aim"]);
  assertEquals(levelOf(samplesWith([9]), goal), "least"); // without the peer, the aim is unknown
});

test("judge() has no verdict without measurements, or on a runtime to which the goal does not apply", () => {
  assertEquals(levelOf([]), undefined);
  assertEquals(levelOf([sample("own", 1)]), undefined);
  const goal = goalOf({ contender: (runtime) => runtime === "deno" ? "own" : undefined });
  assertEquals(levelOf(samplesWith([9]), goal, "bun"), undefined);
});

test("reportOf() lists the figures that fall short, and the contenders that were not measured", () => {
  const row = {
    ...ROW,
    goals: [goalOf({ contender: (runtime) => ({ deno: "own", bun: "peer", node: "none" })[runtime] })],
  };
  const lines: RawLine[] = [
    { kind: "run", at: "2026", machine: "m", versions: { deno: "2" }, rounds: 1, scale: 1 },
    ...samplesWith([1.5]),
    sample("peer", 1, { seconds: 0.25 }),
    { kind: "failure", row: "r", contender: "none", reason: "node is not\ninstalled" },
  ];
  const report = reportOf(lines, [row]).split("\n");
  assertEquals(report.slice(report.indexOf("## Targets") + 4), [
    "| `r`, speed | cheap | 2 | 3 | 1.50 (1.50–1.50), **short** | 4.00 (4.00–4.00), aim |  |",
    "",
    "## Falls short",
    "",
    "- `r`, speed: Deno 1.50 instead of 2 (cheap fork)",
    "",
    "## Not measured",
    "",
    "- r, none: node is not installed",
    "",
  ]);
});

test("chooseRows() takes names and groups, and leaves out extra rows by default", () => {
  const namesOf = (names: readonly string[]) => chooseRows(names).map(({ name }) => name);
  assertEquals(namesOf(["array", "external"]), ["array", "external/gzip", "external/cp"]);
  assertEquals(namesOf(["echo/8"]), ["echo/8"]);
  assertEquals(namesOf([]).includes("memory"), true);
  assertEquals(namesOf([]).includes("held"), false);
  assertEquals(namesOf(["held"]), ["held"]);
  assertThrows(() => chooseRows(["echo/9"]), Error, "Unknown row echo/9; rows: echo/8,");
});

test("every goal and every reference of a row names one of its contenders", () => {
  for (const { name, contenders, reference, goals = [] } of [...chooseRows([]), ...chooseRows(["each", "held"])]) {
    const known = new Set(contenders.map((contender) => contender.name));
    assertEquals(known.size, contenders.length, name);
    const used = [
      reference,
      ...goals.flatMap((goal) =>
        (["deno", "bun", "node"] as const).flatMap((runtime) => [
          goal.contender(runtime),
          goal.reference?.(runtime),
        ])
      ),
      ...goals.flatMap(({ targets }) =>
        Object.values(targets).flatMap(({ aim }) => typeof aim === "number" ? [] : aim)
      ),
    ];
    assertEquals(used.filter((used) => used !== undefined && !known.has(used)), [], name);
  }
});
