import { counted, duration, grouped, percentage, rate } from "../../internal/format.ts";
import { busyText } from "../../statistics/busy_text.ts";
import type { ReportData } from "../data.ts";
import { element } from "./elements.ts";
import { outcomeLabel } from "./tables.ts";
import { OUTCOME_COLOURS } from "./theme.ts";

type Outcome = keyof typeof OUTCOME_COLOURS;

/** The figures at the top of the page. */
export function summary({ figures }: ReportData): HTMLElement[] {
  const { results, attempts, retried, spanMs, perSecond, slots, durationMs, cpuMs } = figures;
  return [
    tile("results", grouped(results), `${counted(attempts, "attempt")}, ${counted(retried, "task")} retried`),
    tile("took", duration(spanMs), perSecond === undefined ? "" : `${rate(perSecond)} tasks per second`),
    tile("slots", grouped(slots), busyText(figures)),
    tile("half of the tasks within", duration(durationMs.p50), `99 % within ${duration(durationMs.p99)}`),
    tile("longest task", duration(durationMs.max), `all together ${duration(durationMs.total)}`),
    tile(
      "CPU time",
      cpuMs ? duration(cpuMs.total) : "–",
      cpuMs ? `${duration(cpuMs.mean)} on the average, ${duration(cpuMs.max)} at most` : "not known",
    ),
  ];
}

/** How many results have each outcome, as a bar and in words. */
export function outcomes({ figures: { outcomes, results } }: ReportData): HTMLElement[] {
  const counts = Object.entries(outcomes) as [Outcome, number][];
  const bar = element("div", { className: "bar" });
  for (const [outcome, count] of counts) {
    const part = element("span", { title: `${grouped(count)} ${outcome}` });
    part.style.background = OUTCOME_COLOURS[outcome];
    part.style.flexGrow = `${count}`;
    bar.append(part);
  }
  const legend = counts.map(([outcome, count]) => {
    const entry = element(
      "span",
      { className: "count" },
      outcomeLabel(outcome),
      element("strong", {}, grouped(count)),
      element("span", { className: "faint" }, percentage(count / results)),
    );
    entry.dataset["outcome"] = outcome;
    return entry;
  });
  return [bar, element("div", { className: "legend" }, ...legend)];
}

function tile(name: string, value: string, more: string): HTMLElement {
  const made = element(
    "div",
    { className: "tile" },
    element("div", { className: "faint" }, name),
    element("div", { className: "value" }, value),
    element("div", { className: "faint" }, more),
  );
  made.dataset["figure"] = name;
  return made;
}
