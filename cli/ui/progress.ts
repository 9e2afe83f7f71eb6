import { duration, grouped, rate } from "../../text/format.ts";
import type { Progress } from "../../pool/run_options.ts";
import { type Io, notify } from "../io.ts";

/** Shows how far a run has got. */
export interface ProgressDisplay {
  update(progress: Progress): void;
  /** Writes a line of its own, which what is shown does not disturb. */
  log(line: string): Promise<void>;
  /** Takes away what is shown. */
  stop(): void;
}

/** How often a line comes where there is no terminal. */
const LINE_MS = 10_000;

/** A bar, on a terminal that results do not go to; else lines, where they are wanted. */
export async function progressDisplay(
  wanted: boolean | undefined,
  io: Io,
  writesToStdout: boolean,
): Promise<ProgressDisplay | undefined> {
  const hasTerminal = io.stderrIsTerminal && !(writesToStdout && io.stdoutIsTerminal);
  if (!(wanted ?? hasTerminal)) return undefined;
  if (!hasTerminal) return progressLines(io.stderr, LINE_MS);
  // Loaded only here: it takes longer than small runs do.
  return (await import("./progress_bar.ts")).progressBar(io.stderr);
}

/** A line now and then, as for a log. */
export function progressLines(writeLine: Io["stderr"], intervalMs: number): ProgressDisplay {
  const describe = describer();
  let latest: Progress | undefined;
  const timer = setInterval(() => latest && notify(writeLine, `taskrunner: ${describe(latest)}`), intervalMs);
  return { update: (progress) => latest = progress, log: writeLine, stop: () => clearInterval(timer) };
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
