import { duration, grouped, percentage } from "../../internal/format.ts";
import type { ReportData } from "../data.ts";
import { byId, element } from "./elements.ts";
import { decodeReport } from "./run.ts";

/** Shows the data that the server sends, each time all of them, until the run is over. */
export function watch(show: (data: ReportData) => void): void {
  const source = new EventSource("events");
  const box = byId("progress");
  box.hidden = false;
  box.textContent = "Waiting for the first result.";
  let showing = Promise.resolve();
  const receive = (event: MessageEvent<string>) => {
    showing = showing.then(async () => show(await decodeReport(event.data)));
  };
  source.addEventListener("report", receive);
  source.addEventListener("end", () => {
    source.close();
    showing.then(() => box.textContent = "The run is over. This is how it ended.");
  });
  source.addEventListener("error", () =>
    showing.then(() => {
      const state = source.readyState === EventSource.CLOSED ? "is lost" : "is lost, and is tried again";
      box.textContent = `The connection to taskrunner ${state}. What is shown may be old.`;
    }));
}

/** How far a run is. */
export function showProgress({ progress }: ReportData): void {
  if (!progress) return;
  const { total, finished, running, retrying, elapsedMs } = progress;
  const left = total === undefined || finished === 0 ? undefined : elapsedMs / finished * (total - finished);
  const words = [
    total === undefined ? `${grouped(finished)} done` : `${grouped(finished)} of ${grouped(total)} done`,
    `${grouped(running)} running`,
    retrying > 0 && `${grouped(retrying)} to retry`,
    left !== undefined && `${duration(left)} to go`,
  ].filter(Boolean).join(", ");
  const share = total ? finished / total : undefined;
  const bar = element("progress", share === undefined ? {} : { value: share, max: 1 });
  const box = byId("progress");
  box.replaceChildren(bar, share === undefined ? "" : `${percentage(share)}: `, words);
  box.hidden = false;
}
