import type { Progress } from "../../pool/options.ts";
import { duration, grouped, rate } from "../../text/format.ts";

/** Shows how far a run has got. */
export interface ProgressDisplay {
  update(progress: Progress): void;
  /** Writes a line of its own, which what is shown does not disturb. */
  log(line: string): Promise<void>;
  /** Takes away what is shown. */
  stop(): void;
}

/** Puts progress into words, with the rate since the run began. */
export function describer(): (progress: Progress) => string {
  const startedMs = performance.now();
  return ({ total, finished, failed, running, retrying, heldBackBy }) => {
    const elapsedMs = performance.now() - startedMs;
    const perSecond = finished * 1000 / elapsedMs;
    const percentage = total ? ` ${Math.floor(100 * finished / total)}%` : "";
    return [
      `${grouped(finished)}${total === undefined ? "" : `/${grouped(total)}`}${percentage} done`,
      failed > 0 && `${grouped(failed)} failed`,
      `${grouped(running)} running`,
      retrying > 0 && `${grouped(retrying)} to retry`,
      heldBackBy && heldBackBy !== "delay" && `held back by the ${heldBackBy}`,
      finished > 0 && `${rate(perSecond)}/s`,
      total !== undefined && finished > 0 && `ETA ${duration((total - finished) / perSecond * 1000)}`,
    ].filter(Boolean).join(", ");
  };
}
