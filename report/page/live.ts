import { duration, grouped, percentage } from "../../internal/format.ts";
import type { ReportData } from "../data.ts";
import { byId, element } from "./elements.ts";
import { decodeReport } from "./run.ts";

/** Shows the data that the server sends, each time all of them, until it says that there will be no more. */
export function watch(show: (data: ReportData) => void): void {
  const source = new EventSource("events");
  const say = (text: string) => {
    byId("progress").textContent = text;
    byId("progress").hidden = false;
  };
  say("Waiting for the first result.");
  let showing = Promise.resolve();
  const inOrder = (action: () => unknown) => {
    showing = showing.then(async () => void await action());
  };
  source.addEventListener("report", ({ data }) => inOrder(async () => show(await decodeReport(data))));
  source.addEventListener("end", ({ data }) => {
    source.close();
    inOrder(() => say(data));
  });
  source.addEventListener("error", () => {
    const state = source.readyState === EventSource.CLOSED ? "is lost" : "is lost, and is tried again";
    inOrder(() => say(`The connection to taskrunner ${state}. What is shown may be old.`));
  });
}

/** How far a run is. */
export function showProgress({ progress }: ReportData): void {
  if (!progress) {
    byId("progress").hidden = true;
    return;
  }
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
