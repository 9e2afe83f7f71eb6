import { formatDuration, formatPercentage } from "../../text/format.ts";
import type { RunFigures } from "./run_statistics.ts";

/** Describes the utilization of the slots. Only the last attempt of a retried task is known. */
export function busyText({ utilization, idleMs, retried }: RunFigures): string {
  const share = utilization === undefined
    ? "too short to measure"
    : `busy ${formatPercentage(utilization)} of the time`;
  const [attempts, limit] = retried > 0 ? [", counting last attempts only", "up to "] : ["", ""];
  return share + attempts + (idleMs > 0 ? `; idle for ${limit}${formatDuration(idleMs)}` : "");
}
