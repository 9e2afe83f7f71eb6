/// <reference lib="dom" />
/** What the page of a report does in the browser. @module */

import { duration, grouped } from "../../internal/format.ts";
import type { ReportData, TaskOfReport } from "../data.ts";
import { byId, element, showIn } from "./elements.ts";
import { HistogramChart } from "./histogram_chart.ts";
import { decodeReport, type Row, rowsOf } from "./run.ts";
import { Search } from "./search.ts";
import { outcomes, summary } from "./summary.ts";
import { failureList, outcomeLabel, taskTable } from "./tables.ts";
import { onThemeChange } from "./theme.ts";
import { showProgress, watch } from "./live.ts";
import { TimeCharts } from "./time_charts.ts";

let run: { data: ReportData; rows: Row[] } | undefined;

const timeCharts = new TimeCharts(byId("time"), byId("time-caption"), select);
const durations = new HistogramChart(byId("durations"));
const cpuTimes = new HistogramChart(byId("cpu-times"));
const search = new Search(byId("search"), byId("found"), (row) => {
  select(row);
  timeCharts.select(row);
});

byId("all").addEventListener("click", () => timeCharts.showAll());
onThemeChange(byId("theme"), () => {
  for (const chart of [timeCharts, durations, cpuTimes]) chart.draw();
});

/** Shows what is known of a task. */
function select({ id, outcome, startMs, endMs, status, attempts, cpuMs, lane }: Row): void {
  const { startedMs, lanes } = run!.data;
  const facts = {
    task: id,
    outcome: outcomeLabel(outcome),
    status: `${status ?? "not known"}`,
    slot: lanes[lane] ?? "beyond those shown",
    started: `${new Date(startedMs + startMs).toISOString()}, ${duration(startMs)} after the run`,
    took: duration(endMs - startMs),
    attempts: grouped(attempts),
    ...cpuMs >= 0 && { "CPU time": duration(cpuMs) },
  };
  byId("selected").replaceChildren(
    ...Object.entries(facts).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
  );
}

/** Goes from a list to the timeline. */
function selectTask(task: TaskOfReport): void {
  const row = run!.rows.find(({ id, startMs }) => id === task.id && startMs === task.startMs);
  const shown = row ?? {
    ...task,
    lane: run!.data.lanes.indexOf(task.lane),
    endMs: task.startMs + task.durationMs,
    cpuMs: task.cpuMs ?? -1,
  };
  select(shown);
  timeCharts.select(shown);
  byId("time").scrollIntoView({ block: "center" });
}

function show(data: ReportData): void {
  run = { data, rows: rowsOf(data) };
  const { figures, name, rows } = data;
  byId("name").textContent = name;
  byId("when").textContent = `${utc(figures.startedAt)} to ${utc(figures.endedAt)} UTC`;
  showProgress(data);
  byId("summary").replaceChildren(...summary(data));
  byId("outcomes").replaceChildren(...outcomes(data));
  const kept = rows.ids.length;
  byId("kept").textContent = kept === figures.results
    ? ""
    : `All figures and curves are of all ${
      grouped(figures.results)
    } results. Too many to be in this page one by one: the search and single tasks in the timeline know ${
      grouped(kept)
    } of them, every ${ordinal(Math.round(figures.results / kept))} one, and the lists below.`;
  timeCharts.show(data, run.rows);
  durations.show(data.durations);
  cpuTimes.show(data.cpuTimes);
  search.show(run.rows);
  const { slowest, mostRetried, failures } = data;
  showIn(byId("slowest"), slowest, () => [taskTable(slowest, ["outcome", "duration", "start"], selectTask)]);
  showIn(byId("retried"), mostRetried, () => [taskTable(mostRetried, ["outcome", "attempts", "status"], selectTask)]);
  const notOk = figures.results - (figures.outcomes.ok ?? 0);
  showIn(byId("failures"), [failures, notOk], () => failureList(failures, notOk, selectTask));
  document.body.dataset["results"] = `${figures.results}`;
}

function utc(time: string): string {
  return time.replace("T", " ").replace(/\.\d+Z/, "");
}

function ordinal(number: number): string {
  return number === 2 ? "second" : `${number}th`;
}

const text = byId("data").textContent;
if (text === "live") watch(show);
else show(await decodeReport(text));
