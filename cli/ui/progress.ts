import type { Progress } from "../../pool/options.ts";
import { type Io, notify } from "../io.ts";
import { ProgressBar } from "./progress_bar.ts";
import { type ProgressDisplay, progressFormatter } from "./progress_text.ts";

/** Interval between progress lines where standard error is not a terminal. */
const LINE_INTERVAL_MS = 10_000;

/**
 * Shows a bar where standard error is a terminal that results do not go to; elsewhere lines, if `--progress` asks for them.
 *
 * @param wanted the value of `--progress`; by default progress is shown on a terminal only.
 */
export function progressDisplay(
  wanted: boolean | undefined,
  io: Io,
  writesToStdout: boolean,
): ProgressDisplay | undefined {
  const hasTerminal = io.stderrIsTerminal && !(writesToStdout && io.stdoutIsTerminal);
  if (!(wanted ?? hasTerminal)) return undefined;
  return hasTerminal ? new ProgressBar(io.stderr) : progressLines(io.stderr, LINE_INTERVAL_MS);
}

/** Writes a progress line at each interval, for logs. */
export function progressLines(writeLine: Io["stderr"], intervalMs: number): ProgressDisplay {
  const format = progressFormatter();
  let latest: Progress | undefined;
  const timer = setInterval(() => latest && notify(writeLine, `taskrunner: ${format(latest)}`), intervalMs);
  return {
    update: (progress) => latest = progress,
    log: writeLine,
    beside: (stderr) => stderr,
    stop: () => clearInterval(timer),
  };
}
