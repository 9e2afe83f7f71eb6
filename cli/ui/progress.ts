import type { Progress } from "../../pool/options.ts";
import { type Io, notify } from "../io.ts";
import { describer, type ProgressDisplay } from "./progress_text.ts";

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
