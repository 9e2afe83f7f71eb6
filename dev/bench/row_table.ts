/** Formats the measurements of a row. @module */

import { counted, markdownTable, whole, withRange } from "./format.ts";
import { median } from "./median.ts";
import type { MeasurementLine } from "./raw_data.ts";
import type { Row } from "./row.ts";
import { RUNTIME_NAMES } from "./runtimes.ts";
import { rangeOf, stateOf, valuesOf } from "./verdict.ts";

/** Returns a heading, the state of the machine, and a table of the contenders with speeds relative to another one. */
export function rowTable(row: Row, samples: readonly MeasurementLine[]): string[] {
  const references = referencesOf(row);
  const isSame = references.size === 0;
  const contenders = row.contenders.filter(({ name }) => samples.some(({ contender }) => contender === name));
  const rounds = new Set(samples.map(({ round }) => round)).size;
  const figure = row.goals?.[0]?.figure ?? "speed";
  const ratioTitle = figure === "memory" ? "memory relative" : "relative";
  const head = [
    "",
    "tasks/s, median",
    `${ratioTitle}${isSame ? ` to ${row.reference}` : ""} (min–max)`,
    ...isSame ? [] : ["to"],
    "CPU of the program itself, µs per task",
    "peak memory, MiB",
  ];
  const cells = contenders.map(({ name }) => {
    const own = samples.filter(({ contender }) => contender === name);
    const reference = references.get(name) ?? row.reference;
    const ratio = rangeOf(valuesOf(samples, figure, name, reference));
    return [
      name,
      whole(median(own.map(({ tasks, seconds }) => tasks / seconds))),
      ratio ? withRange(ratio, 2) : "",
      ...isSame ? [] : [reference ?? ""],
      whole(rangeOf(valuesOf(samples, "cpu", name))?.median),
      whole(rangeOf(own.flatMap(({ peakMiB }) => peakMiB ?? []))?.median),
    ];
  });
  const tasks = Math.max(...samples.map(({ tasks }) => tasks));
  return [
    `## ${row.name}: ${row.title}`,
    "",
    `${counted(tasks, "task")}, ${counted(rounds, "round")}. ${describeCosts(samples)}`,
    "",
    ...markdownTable(head, cells),
    "",
  ];
}

/** Returns the references of contenders that goals compare with another one than the reference of the row. */
function referencesOf({ goals = [] }: Row): Map<string, string> {
  const references = goals.flatMap(({ contender, reference }) =>
    RUNTIME_NAMES.flatMap((runtime): [string, string][] => {
      const name = contender(runtime);
      return name !== undefined && reference ? [[name, reference(runtime)]] : [];
    })
  );
  return new Map(references);
}

function describeCosts(samples: readonly MeasurementLine[]): string {
  const costOf = (cost: "forkUs" | "shellUs") => `${withRange(rangeOf(samples.map((sample) => sample[cost]))!, 0)} µs`;
  return `A static fork costs ${costOf("forkUs")}, and \`sh -c :\` ${costOf("shellUs")}: ${stateOf(samples)} fork.`;
}
