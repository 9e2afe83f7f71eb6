import type { Run } from "../pool/run.ts";
import { pluralize } from "../text/format.ts";
import { type Io, notify } from "./io.ts";

/** Drains the run, changes its concurrency or kills it when a signal requests that. */
export function handleRequests(results: Run, io: Io, log: Io["stderr"]): { isDrained: boolean } {
  const control = { isDrained: false };
  io.killSignal.addEventListener("abort", () => results.kill());
  io.onRequest((request) => {
    if (request === "drain") {
      control.isDrained = true;
      results.drain();
      return notify(log, "taskrunner: SIGHUP: finishing running tasks, starting no more");
    }
    results.concurrency = Math.max(1, results.concurrency + (request === "increase" ? 1 : -1));
    notify(log, `taskrunner: running up to ${pluralize(results.concurrency, "task")} at once`);
  });
  return control;
}
