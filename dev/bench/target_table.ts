/** Formats the figures that should reach a target, and lists those that do not. @module */

import { markdownTable, withRange } from "./format.ts";
import type { MeasurementLine } from "./raw_data.ts";
import type { Goal, Row } from "./row.ts";
import { RUNTIME_NAMES, RUNTIME_TITLES } from "./runtimes.ts";
import { judge, leastOf, stateOf, type Verdict } from "./verdict.ts";

/** A row with its measurements. */
export interface MeasuredRow {
  row: Row;
  samples: readonly MeasurementLine[];
}

const LEVELS = { short: "**short**", least: "at least", aim: "aim" } as const;

/** Returns a table of all goals. */
export function targetTable(measured: readonly MeasuredRow[]): string[] {
  const rows = verdictsOf(measured).map(({ title, goal, samples, verdicts }) => {
    const target = goal.targets[stateOf(samples)];
    const aim = typeof target.aim === "number" ? `${target.aim}` : `above ${target.aim.join(" and ")}`;
    const least = [...new Set(RUNTIME_NAMES.map((runtime) => leastOf(target, runtime)))];
    const cells = verdicts.map((verdict) =>
      verdict ? `${withRange(verdict, digitsOf(goal))}, ${LEVELS[verdict.level]}` : ""
    );
    const leasts = least.length === 1 ? least : RUNTIME_NAMES.map((runtime) => leastOf(target, runtime));
    return [title, stateOf(samples), leasts.join(" / "), aim, ...cells];
  });
  if (rows.length === 0) return [];
  const head = ["", "fork", "at least", "aim", ...RUNTIME_NAMES.map((runtime) => RUNTIME_TITLES[runtime])];
  return ["## Targets", "", ...markdownTable(head, rows, "---"), ""];
}

/** Returns a list of the goals that are not reached. */
export function shortfalls(measured: readonly MeasuredRow[]): string[] {
  const lines = verdictsOf(measured).flatMap(({ title, goal, samples, verdicts }) => {
    const short = RUNTIME_NAMES.flatMap((runtime, index) => {
      const verdict = verdicts[index];
      if (verdict?.level !== "short") return [];
      return [`${RUNTIME_TITLES[runtime]} ${verdict.median.toFixed(digitsOf(goal))} instead of ${verdict.least}`];
    });
    return short.length > 0 ? [`- ${title}: ${short.join(", ")} (${stateOf(samples)} fork)`] : [];
  });
  return ["## Falls short", "", ...lines.length > 0 ? lines : ["None of the measured figures."], ""];
}

interface GoalVerdicts extends MeasuredRow {
  title: string;
  goal: Goal;
  /** The verdict on each runtime. */
  verdicts: readonly (Verdict | undefined)[];
}

function verdictsOf(measured: readonly MeasuredRow[]): GoalVerdicts[] {
  return measured.flatMap(({ row, samples }) =>
    (row.goals ?? []).map((goal) => ({
      row,
      samples,
      title: `${row.title}, ${goal.title}`,
      goal,
      verdicts: RUNTIME_NAMES.map((runtime) => judge(row, goal, runtime, samples)),
    }))
  );
}

function digitsOf({ figure }: Goal): number {
  return figure === "cpu" ? 0 : 2;
}
