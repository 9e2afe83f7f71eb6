import cliProgress from "cli-progress";
import process from "node:process";
import type { Progress } from "../run_options.ts";
import type { Io } from "./io.ts";
import { describer, type ProgressDisplay } from "./progress.ts";

const BAR_WIDTH = 24;

/** A bar on the last line of the terminal that standard error is. */
export function progressBar(writeLine: Io["stderr"]): ProgressDisplay {
  const describe = describer();
  let latest: Progress = { total: undefined, finished: 0, failed: 0, running: 0, retrying: 0 };
  const bar = new cliProgress.SingleBar({
    // The last column stays free, as after it some terminals go to the next line.
    format: (_options, { maxWidth }) => line(latest, describe(latest), maxWidth - 1),
    stream: process.stderr,
    clearOnComplete: true,
    gracefulExit: false, // signals are for the run
  });
  bar.start(0, 0);
  return {
    update: (progress) => latest = progress,
    async log(text) {
      bar.stop();
      await writeLine(text);
      bar.start(0, 0);
    },
    stop: () => bar.stop(),
  };
}

/** The bar, where there is room for it, and what it stands for. */
function line({ total, finished }: Progress, text: string, width: number): string {
  const length = total ? Math.round(BAR_WIDTH * finished / total) : 0;
  const bar = total === undefined ? "" : "█".repeat(length).padEnd(BAR_WIDTH, "░") + " ";
  return (bar.length + text.length <= width ? bar + text : text).slice(0, Math.max(0, width));
}
