/// <reference lib="dom" />
/** The script of a report's page. @module */

import { formatCount, formatDuration } from "../../text/format.ts";
import type { ReportData, ReportTask } from "../data.ts";
import { cpuTime, periodOf } from "../overview.ts";
import { byId, element, showIn, showState } from "./elements.ts";
import { HistogramChart } from "./histogram_chart.ts";
import { showProgress, watch } from "./live.ts";
import { decodeReport, earlierRows, resultRows, type Row } from "./run.ts";
import { Search } from "./search.ts";
import { outcomes, summary } from "./summary.ts";
import { failureList, outcomeLabel, taskTable } from "./tables.ts";
import { onThemeChange } from "./theme.ts";
import { TimeCharts } from "./time_charts.ts";
import { showWorkflow } from "./workflow.ts";

let run: { data: ReportData; rows: Row[] } | undefined;
let details: ReturnType<typeof openDetails> | undefined;

onThemeChange(byId("theme"), () => details?.draw());

/** Shows the part of the page that needs data, then creates its charts: in a hidden box a chart would have no size. */
function openDetails() {
  byId("outcomes-section").hidden = false;
  byId("details").hidden = false;
  const timeCharts = new TimeCharts(byId("time"), byId("time-caption"), select);
  const durations = new HistogramChart(byId("durations"));
  const cpuTimes = new HistogramChart(byId("cpu-times"));
  const search = new Search(byId("search"), byId("found"), (row) => {
    select(row);
    timeCharts.select(row);
  });
  byId("all").addEventListener("click", () => timeCharts.showAll());
  const draw = () => {
    for (const chart of [timeCharts, durations, cpuTimes]) chart.draw();
  };
  return { timeCharts, durations, cpuTimes, search, draw };
}

/** Shows the details of a task. */
function select({ id, outcome, startMs, endMs, status, attempts, isEarlier, cpuMs, lane }: Row): void {
  const { startedMs, lanes, cpuStepMs } = run!.data;
  const facts = {
    task: id,
    outcome: outcomeLabel(outcome),
    status: `${status ?? "unknown"}`,
    ...outcome !== "skipped" && { slot: lanes[lane] ?? "not shown" },
    started: `${new Date(startedMs + startMs).toISOString()}, ${formatDuration(startMs)} into the run`,
    duration: formatDuration(endMs - startMs),
    [isEarlier ? "attempt" : "attempts"]: formatCount(attempts),
    ...cpuMs >= 0 && { "CPU time": cpuTime(cpuMs, cpuStepMs) },
  };
  byId("selected").replaceChildren(
    ...Object.entries(facts).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
  );
}

/** Selects a task of a list and zooms the timeline to it. */
function selectTask(task: ReportTask): void {
  const row = run!.rows.find(({ id, startMs }) => id === task.id && startMs === task.startMs);
  const shown = row ?? {
    ...task,
    lane: run!.data.lanes.indexOf(task.lane),
    endMs: task.startMs + task.durationMs,
    isEarlier: false,
    cpuMs: task.cpuMs ?? -1,
  };
  select(shown);
  details!.timeCharts.select(shown);
  byId("time").scrollIntoView({ block: "center" });
}

/** Selects the last result of a task, if the page has it individually. */
function selectId(id: string): void {
  const row = run!.rows.findLast((row) => row.id === id);
  if (!row) return;
  select(row);
  details!.timeCharts.select(row);
  byId("time").scrollIntoView({ block: "center" });
}

function show(data: ReportData): void {
  run = { data, rows: resultRows(data) };
  const { figures, name, rows } = data;
  document.title = `${name} – taskrunner report`;
  byId("name").textContent = name;
  byId("when").textContent = periodOf(figures);
  showProgress(data);
  byId("summary").replaceChildren(...summary(data));
  byId("outcomes").replaceChildren(...outcomes(data));
  details ??= openDetails();
  const kept = rows.ids.length;
  byId("kept").textContent = kept === figures.results
    ? ""
    : `Figures, charts and lists cover all ${
      formatCount(figures.results)
    } results. The search and the bars of single tasks cover every ${
      ordinal(Math.round(figures.results / kept))
    } result (${formatCount(kept)}).`;
  showFailures(data);
  showWorkflow(data, new Set(run.rows.map(({ id }) => id)), selectId);
  details.timeCharts.show(data, [...run.rows, ...earlierRows(data)]);
  details.durations.show(data.durations);
  details.cpuTimes.show(data.cpuTimes);
  byId("cpu-caption").textContent = cpuCaption(data);
  details.search.show(run.rows);
  const { slowest, mostRetried } = data;
  showIn(byId("slowest"), slowest, () => [taskTable(slowest, ["outcome", "duration", "start"], selectTask)]);
  showIn(byId("retried"), mostRetried, () => [taskTable(mostRetried, ["outcome", "attempts", "status"], selectTask)]);
  document.body.dataset["results"] = `${figures.results}`;
}

function showFailures({ failures, figures }: ReportData): void {
  const total = figures.results - (figures.outcomes.ok ?? 0) - (figures.outcomes.skipped ?? 0);
  byId("failures-section").hidden = total === 0;
  byId("failures-caption").textContent = total > failures.length
    ? `The first ${formatCount(failures.length)} of ${formatCount(total)}; all of them are in the results file.`
    : formatCount(total);
  showIn(byId("failures"), failures, () => [failureList(failures, selectTask)]);
}

function cpuCaption({ cpuTimes, cpuStepMs }: ReportData): string {
  if (cpuTimes.length === 0) return "Unknown.";
  return cpuStepMs !== undefined && cpuStepMs >= 1 ? `Measured in steps of ${formatDuration(cpuStepMs)}.` : "";
}

function ordinal(number: number): string {
  return number === 2 ? "second" : `${number}th`;
}

/** Resolves after the browser has painted the overview, as unpacking the data blocks painting. */
function painted(): Promise<void> {
  return new Promise((resolve) => {
    if (document.visibilityState === "hidden") resolve(); // hidden pages are not painted
    else requestAnimationFrame(() => setTimeout(resolve));
  });
}

async function showSaved(text: string): Promise<void> {
  try {
    await painted();
    show(await decodeReport(text));
    showState("");
  } catch (error) {
    showState(`Cannot show the details of this report: ${error}`);
    throw error;
  }
}

const text = byId("data").textContent;
if (text === "live") watch(show);
else await showSaved(text);
