import { formatCount, formatDuration, formatPercentage, formatRate, pluralize } from "../../text/format.ts";
import type { CriticalPath, PathGap, PathLink, ReportData, SkippedTasks, WorkflowData } from "../data.ts";
import { byId, element, showIn } from "./elements.ts";
import { idButton, outcomeLabel } from "./tables.ts";

/** Creates an element with the id of a task, which selects the task if the page has it individually. */
type TaskName = (id: string) => HTMLElement;

/** Shows the sections about prerequisites and resources; hides those without contents. */
export function showWorkflow(data: ReportData, ids: ReadonlySet<string>, onSelect: (id: string) => void): void {
  const { criticalPath, skipped, isTooLarge, resources } = data.workflow;
  const name: TaskName = (id) =>
    ids.has(id) ? idButton({ id }, () => onSelect(id)) : element("span", { className: "id" }, id);
  byId("path-section").hidden = !criticalPath && !isTooLarge;
  byId("path-caption").textContent = criticalPath ? pathCaption(criticalPath) : isTooLarge ? TOO_LARGE : "";
  showIn(byId("path"), criticalPath, () => criticalPath ? pathContents(criticalPath, name) : []);
  byId("skipped-section").hidden = !skipped;
  byId("skipped-caption").textContent = skipped ? skippedCaption(skipped) : "";
  showIn(byId("skipped"), skipped, () => skipped ? [skippedTable(skipped, name)] : []);
  byId("resources-section").hidden = resources.length === 0;
  byId("resources-caption").textContent = resourcesCaption(data.workflow);
  showIn(byId("resources"), resources, () => resources.length > 0 ? [resourceTable(data.workflow)] : []);
}

const TOO_LARGE = "The run has too many tasks for this page to compute the path.";

function pathCaption({ tasks, rows }: CriticalPath): string {
  const listed = rows.filter((row) => !("omitted" in row)).length;
  const list = listed < tasks
    ? ` The table has the first, the last and the longest tasks, ${formatCount(listed)} in all.`
    : "";
  return `${pluralize(tasks, "task")}: the task that ended last, its prerequisite that ended last, and so on.${list}`;
}

/** The parts of the time of a link, with their names in the legend. */
const PARTS = [
  { part: "running", legend: "running", of: "runningMs" },
  { part: "waiting", legend: "waiting to start", of: "waitingMs" },
  { part: "backoff", legend: "between attempts", of: "backoffMs" },
] as const;

function pathContents(path: CriticalPath, name: TaskName): HTMLElement[] {
  const totalMs = path.runningMs + path.waitingMs + path.backoffMs;
  const parts = PARTS.filter(({ of }) => path[of] > 0);
  const legend = parts.map(({ part, legend, of }) => {
    const dot = element("span", { className: "dot" });
    dot.dataset["part"] = part;
    const entry = element(
      "span",
      { className: "count" },
      element("span", { className: "outcome" }, dot, legend),
      element("strong", {}, formatDuration(path[of])),
      element("span", { className: "faint" }, formatPercentage(path[of] / totalMs)),
    );
    entry.dataset["time"] = part;
    return entry;
  });
  return [bar(path, totalMs), element("div", { className: "legend" }, ...legend), pathTable(path, name)];
}

/** Creates a bar of the parts of a time; its width is the share of another time. */
function bar(times: PathLink | PathGap | CriticalPath, ofMs: number): HTMLElement {
  const created = element("div", { className: "bar" });
  for (const { part, of } of PARTS) {
    if (times[of] === 0 || ofMs === 0) continue;
    const piece = element("span");
    piece.dataset["part"] = part;
    piece.style.width = `${100 * times[of] / ofMs}%`;
    created.append(piece);
  }
  return created;
}

function pathTable(path: CriticalPath, name: TaskName): HTMLElement {
  const longestMs = Math.max(
    ...path.rows.map(({ runningMs, waitingMs, backoffMs }) => runningMs + waitingMs + backoffMs),
  );
  const hasBackoff = path.backoffMs > 0;
  const number = (text: string) => element("td", { className: "number" }, text);
  const times = (row: PathLink | PathGap) => [
    number(formatDuration(row.waitingMs)),
    number(formatDuration(row.runningMs)),
    hasBackoff && number(formatDuration(row.backoffMs)),
    element("td", { className: "share" }, bar(row, longestMs)),
  ];
  const rows = path.rows.map((row) =>
    "omitted" in row
      ? element(
        "tr",
        { className: "faint" },
        element("td", { colSpan: 3 }, `… ${pluralize(row.omitted, "shorter task")} …`),
        ...times(row),
      )
      : element(
        "tr",
        {},
        element("td", {}, name(row.id)),
        element("td", {}, outcomeLabel(row.outcome)),
        number(`+${formatDuration(row.startMs)}`),
        ...times(row),
      )
  );
  const head = (text: string) => element("th", { className: "number" }, text);
  const heads = element(
    "tr",
    {},
    element("th", {}, "task"),
    element("th", {}, "outcome"),
    head("start"),
    head("waiting"),
    head("running"),
    hasBackoff && head("between attempts"),
    element("th"),
  );
  return scrolling(heads, rows);
}

function scrolling(heads: HTMLElement, rows: readonly HTMLElement[]): HTMLElement {
  const table = element("table", {}, element("thead", {}, heads), element("tbody", {}, ...rows));
  return element("div", { className: "scroll" }, table);
}

function skippedCaption({ tasks, causes, omittedCauses, omittedTasks }: SkippedTasks): string {
  const others = omittedCauses > 0
    ? ` The ${formatCount(causes.length)} most frequent reasons; ${pluralize(omittedCauses, "other")} skipped ${
      pluralize(omittedTasks, "task")
    }.`
    : "";
  return `${formatCount(tasks)}, by the task that is the reason.${others}`;
}

function skippedTable({ causes }: SkippedTasks, name: TaskName): HTMLElement {
  const rows = causes.map(({ id, kind, tasks, ids }) => {
    const more = tasks > ids.length ? ` and ${formatCount(tasks - ids.length)} more` : "";
    return element(
      "tr",
      {},
      element("td", {}, name(id)),
      element("td", {}, kind === "missing" || kind === "cycle" ? REASONS[kind] : outcomeLabel(kind)),
      element("td", { className: "number" }, formatCount(tasks)),
      element("td", {}, ...ids.flatMap((id, index) => [index > 0 && ", ", name(id)]), more),
    );
  });
  const heads = element(
    "tr",
    {},
    element("th", {}, "reason"),
    element("th", {}, "outcome"),
    element("th", { className: "number" }, "skipped"),
    element("th", {}, "tasks"),
  );
  return scrolling(heads, rows);
}

const REASONS = { missing: "no result", cycle: "waits for itself" };

function resourcesCaption({ resources, omittedResources }: WorkflowData): string {
  if (omittedResources === 0) return "The charts of the units in use are below the timeline.";
  return `The first ${formatCount(resources.length)}; ${pluralize(omittedResources, "other")} are not shown.`;
}

function resourceTable({ resources }: WorkflowData): HTMLElement {
  const number = (text: string) => element("td", { className: "number" }, text);
  const rows = resources.map(({ name, mean, peak }) =>
    element(
      "tr",
      {},
      element("td", {}, name),
      number(mean === undefined ? "–" : formatRate(mean)),
      number(peak === undefined ? "unknown" : formatCount(peak)),
    )
  );
  const heads = element(
    "tr",
    {},
    element("th", {}, "resource"),
    element("th", { className: "number" }, "units in use, mean"),
    element("th", { className: "number" }, "peak"),
  );
  return scrolling(heads, rows);
}
