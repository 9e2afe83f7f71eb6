import { formatCount, formatDuration, formatPercentage } from "../../text/format.ts";
import type { RunFigures } from "./run_statistics.ts";

/** Describes the utilization of the slots, and how many of the attempts it covers if results do not list all of them. */
export function busyText({ utilization, idleMs, attempts, listedAttempts }: RunFigures): string {
  const share = utilization === undefined
    ? "too short to measure"
    : `busy ${formatPercentage(utilization)} of the time`;
  const [coverage, limit] = listedAttempts < attempts
    ? [`, counting ${formatCount(listedAttempts)} of ${formatCount(attempts)} attempts`, "up to "]
    : ["", ""];
  return share + coverage + (idleMs > 0 ? `; idle for ${limit}${formatDuration(idleMs)}` : "");
}
