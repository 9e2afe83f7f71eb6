import { duration, percentage } from "../internal/format.ts";
import type { RunFigures } from "./run_statistics.ts";

/** How busy the slots were, in words. Of tasks that were tried again only the last attempt is known. */
export function busyText({ utilisation, idleMs, retried }: RunFigures): string {
  const share = utilisation === undefined ? "busy for no time" : `busy ${percentage(utilisation)} of the time`;
  const what = retried > 0 ? " with last attempts" : "";
  return share + what + (idleMs > 0 ? `; for ${duration(idleMs)} ${retried > 0 ? "none of them" : "nothing"} ran` : "");
}
