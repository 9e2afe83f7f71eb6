import { formatCount, formatDuration, pluralize } from "../../text/format.ts";
import type { ReportTask } from "../data.ts";
import { element } from "./elements.ts";

type Column = "outcome" | "status" | "attempts" | "duration" | "start";

/** Creates a label for an outcome: a colored dot and its name. */
export function outcomeLabel(outcome: ReportTask["outcome"]): HTMLElement {
  const dot = element("span", { className: "dot" });
  dot.dataset["color"] = outcome;
  return element("span", { className: "outcome" }, dot, outcome);
}

/** Creates a table of tasks. */
export function taskTable(
  tasks: readonly ReportTask[],
  columns: readonly Column[],
  onSelect: (task: ReportTask) => void,
): HTMLElement {
  if (tasks.length === 0) return element("p", { className: "faint" }, "None.");
  const cell = (task: ReportTask, column: Column): HTMLElement => {
    if (column === "outcome") return element("td", {}, outcomeLabel(task.outcome));
    const text = {
      status: task.signal ?? `${task.status ?? "–"}`,
      attempts: formatCount(task.attempts),
      duration: formatDuration(task.durationMs),
      start: `+${formatDuration(task.startMs)}`,
    }[column];
    return element("td", { className: "number" }, text);
  };
  const rows = tasks.map((task) =>
    element("tr", {}, element("td", {}, idButton(task, onSelect)), ...columns.map((column) => cell(task, column)))
  );
  const heads = columns.map((column) => element("th", { className: column === "outcome" ? "" : "number" }, column));
  const head = element("thead", {}, element("tr", {}, element("th", {}, "task"), ...heads));
  return element("div", { className: "scroll" }, element("table", {}, head, element("tbody", {}, ...rows)));
}

/** Creates the list of unsuccessful tasks, each with its command and the end of its standard error. */
export function failureList(failures: readonly ReportTask[], onSelect: (task: ReportTask) => void): HTMLElement {
  return element("div", { className: "long" }, ...failures.map((task) => failure(task, onSelect)));
}

/** Entries that the user has opened or closed, to keep their state when the list is rebuilt. */
const isOpen = new Map<string, boolean>();

function failure(task: ReportTask, onSelect: (task: ReportTask) => void): HTMLElement {
  const status = task.outcome === "failed" ? `status ${task.status}` : task.signal ?? "";
  const facts = [status, formatDuration(task.durationMs), task.attempts > 1 && pluralize(task.attempts, "attempt")];
  const summary = element(
    "summary",
    {},
    outcomeLabel(task.outcome),
    idButton(task, onSelect),
    element("span", { className: "faint" }, facts.filter(Boolean).join(", ")),
  );
  const key = `${task.startMs} ${task.id}`;
  const details = element(
    "details",
    { open: isOpen.get(key) ?? Boolean(task.error || task.stderrEnd) },
    summary,
    task.command !== undefined && element("pre", { className: "command" }, task.command),
    task.error !== undefined && element("p", {}, task.error),
    Boolean(task.stderrEnd) && element("pre", {}, task.stderrEnd),
    !task.error && !task.stderrEnd && element("p", { className: "faint" }, "Nothing on standard error."),
  );
  summary.addEventListener("click", () => isOpen.set(key, !details.open)); // the listener runs before the toggle
  return details;
}

/** Creates a button with the id of a task. */
export function idButton<Task extends { id: string }>(task: Task, onSelect: (task: Task) => void): HTMLElement {
  return element("button", { className: "id", title: "Show in the timeline", onclick: () => onSelect(task) }, task.id);
}
