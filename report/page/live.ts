import { formatCount, formatDuration, formatPercentage } from "../../text/format.ts";
import type { ReportData } from "../data.ts";
import { byId, showState } from "./elements.ts";
import { decodeReport } from "./run.ts";

/** Shows each report that the server sends, until the `end` event. */
export function watch(show: (data: ReportData) => void): void {
  const source = new EventSource("events");
  let hasResults = false;
  let showing = Promise.resolve();
  // Decoding is asynchronous: without a queue, an event could overtake the previous report.
  const enqueue = (action: () => unknown) => {
    showing = showing.then(action).then(() => {}, (error) => showState(`Cannot show the latest results: ${error}`));
  };
  const showConnected = () => showState(hasResults ? "" : "Waiting for the first result.");
  source.addEventListener("open", () => enqueue(showConnected));
  source.addEventListener("report", ({ data }) =>
    enqueue(async () => {
      show(await decodeReport(data));
      hasResults = true;
      showConnected();
    }));
  source.addEventListener("end", ({ data }) => {
    source.close();
    enqueue(() => {
      byId("progress").hidden = true;
      showState(data);
    });
  });
  source.addEventListener("error", () => {
    const next = source.readyState === EventSource.CLOSED
      ? "This page may be out of date."
      : "Reconnecting; until then, this page may be out of date.";
    enqueue(() => showState(`The connection to taskrunner is lost. ${next}`));
  });
}

/** Shows the progress of a run. */
export function showProgress({ progress }: ReportData): void {
  const box = byId("progress");
  box.hidden = progress === undefined;
  if (!progress) return;
  const { total, finished, running, retrying, elapsedMs } = progress;
  const leftMs = total === undefined || finished === 0 ? undefined : elapsedMs / finished * (total - finished);
  const share = total ? finished / total : undefined;
  const words = [
    total === undefined ? `${formatCount(finished)} done` : `${formatCount(finished)} of ${formatCount(total)} done`,
    `${formatCount(running)} running`,
    retrying > 0 && `${formatCount(retrying)} waiting to retry`,
    leftMs !== undefined && `about ${formatDuration(leftMs)} left`,
  ].filter(Boolean).join(", ");
  const [bar, text] = [box.querySelector("progress")!, box.querySelector("div")!];
  if (share === undefined) bar.removeAttribute("value");
  else bar.value = share;
  text.textContent = share === undefined ? words : `${formatPercentage(share)}: ${words}`;
}
