import type { Progress } from "../../pool/options.ts";
import { formatCount, formatDuration, formatRate } from "../../text/format.ts";

/** Returns a function that formats progress, with the rate since this call. */
export function progressFormatter(): (progress: Progress) => string {
  const startedMs = performance.now();
  return ({ total, finished, failed, running, retrying, throttledBy }) => {
    const elapsedMs = performance.now() - startedMs;
    const perSecond = finished * 1000 / elapsedMs;
    const percentage = total ? ` ${Math.floor(100 * finished / total)}%` : "";
    return [
      `${formatCount(finished)}${total === undefined ? "" : `/${formatCount(total)}`}${percentage} done`,
      failed > 0 && `${formatCount(failed)} failed`,
      `${formatCount(running)} running`,
      retrying > 0 && `${formatCount(retrying)} to retry`,
      throttledBy && throttledBy !== "delay" && `throttled by ${throttledBy}`,
      finished > 0 && `${formatRate(perSecond)}/s`,
      total !== undefined && finished > 0 && `ETA ${formatDuration((total - finished) / perSecond * 1000)}`,
    ].filter(Boolean).join(", ");
  };
}
