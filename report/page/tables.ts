import { counted, duration, grouped } from "../../internal/format.ts";
import type { TaskOfReport } from "../data.ts";
import { element } from "./elements.ts";
import { OUTCOME_COLOURS } from "./theme.ts";

type Column = "outcome" | "status" | "attempts" | "duration" | "start";

const HEADINGS: Record<Column, string> = {
  outcome: "outcome",
  status: "status",
  attempts: "attempts",
  duration: "duration",
  start: "started after",
};

/** A dot in the colour of an outcome, and its name. */
export function outcomeLabel(outcome: TaskOfReport["outcome"]): HTMLElement {
  const dot = element("span", { className: "dot" });
  dot.style.background = OUTCOME_COLOURS[outcome];
  return element("span", { className: "outcome" }, dot, outcome);
}

/** Tasks, one in each row; a click on one selects it. */
export function taskTable(
  tasks: readonly TaskOfReport[],
  columns: readonly Column[],
  onSelect: (task: TaskOfReport) => void,
): HTMLElement {
  if (tasks.length === 0) return element("p", { className: "faint" }, "None.");
  const cell = (task: TaskOfReport, column: Column): HTMLElement => {
    if (column === "outcome") return element("td", {}, outcomeLabel(task.outcome));
    const text = {
      status: task.signal ?? `${task.status ?? "–"}`,
      attempts: grouped(task.attempts),
      duration: duration(task.durationMs),
      start: duration(task.startMs),
    }[column];
    return element("td", { className: "number" }, text);
  };
  const rows = tasks.map((task) => {
    const button = element(
      "button",
      { className: "id", title: "Show in the timeline", onclick: () => onSelect(task) },
      task.id,
    );
    return element("tr", {}, element("td", {}, button), ...columns.map((column) => cell(task, column)));
  });
  const heads = columns.map((column) =>
    element("th", { className: column === "outcome" ? "" : "number" }, HEADINGS[column])
  );
  const head = element("thead", {}, element("tr", {}, element("th", {}, "task"), ...heads));
  return element("div", { className: "scroll" }, element("table", {}, head, element("tbody", {}, ...rows)));
}

/** Those that were not ok, each with the end of what it printed to standard error. */
export function failureList(
  failures: readonly TaskOfReport[],
  total: number,
  onSelect: (task: TaskOfReport) => void,
): HTMLElement[] {
  if (total === 0) return [element("p", { className: "faint" }, "None: all tasks were ok.")];
  const rest = total > failures.length &&
    element("p", { className: "faint" }, `The first ${grouped(failures.length)} of ${grouped(total)}.`);
  const entries = failures.map((task) => failure(task, failures.length <= MAX_OPEN, onSelect));
  return [element("div", { className: "long" }, rest, ...entries)];
}

/** So few are open from the beginning. */
const MAX_OPEN = 5;
/** Which of them the reader has opened or closed: a list that is made anew is to look as before. */
const isOpen = new Map<string, boolean>();

function failure(task: TaskOfReport, opens: boolean, onSelect: (task: TaskOfReport) => void): HTMLElement {
  const status = task.outcome === "failed" ? `status ${task.status}` : task.signal ?? "";
  const facts = [status, duration(task.durationMs), task.attempts > 1 && counted(task.attempts, "attempt")];
  const summary = element(
    "summary",
    {},
    outcomeLabel(task.outcome),
    element("button", { className: "id", title: "Show in the timeline", onclick: () => onSelect(task) }, task.id),
    element("span", { className: "faint" }, facts.filter(Boolean).join(", ")),
  );
  const key = `${task.startMs} ${task.id}`;
  const details = element(
    "details",
    { open: isOpen.get(key) ?? opens },
    summary,
    task.error !== undefined && element("p", {}, task.error),
    task.stderrEnd
      ? element("pre", {}, task.stderrEnd)
      : element("p", { className: "faint" }, "Nothing on standard error."),
  );
  summary.addEventListener("click", () => isOpen.set(key, !details.open)); // it opens or closes after this
  return details;
}
