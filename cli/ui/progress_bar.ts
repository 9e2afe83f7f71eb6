import cliProgress from "cli-progress";
import process from "node:process";
import { writeStderr } from "../../system/standard_streams.ts";
import type { Progress } from "../../pool/options.ts";
import type { Io } from "../io.ts";
import { describer, type ProgressDisplay } from "./progress_text.ts";

const BAR_WIDTH = 24;

/** How much waits for a terminal that takes nothing, as after Ctrl-S, before frames are left out. */
const MAX_WAITING_CHARACTERS = 16_384;

/** The terminal that standard error is, as far as the bar needs it. Its own stream can lose writes; see StandardStream. */
class Terminal {
  readonly isTTY = true;
  /** Whether what is written is a frame of the bar, which another one will follow. */
  drawsFrames = false;
  #waitingCharacters = 0;

  get columns(): number {
    return process.stderr.columns;
  }

  write(text: string): boolean {
    if (this.drawsFrames && this.#waitingCharacters > MAX_WAITING_CHARACTERS) return false;
    this.#waitingCharacters += text.length;
    const written = () => {
      this.#waitingCharacters -= text.length;
    };
    writeStderr(text).then(written, written);
    return true;
  }
}

/** A bar on the last line of the terminal that standard error is. */
export function progressBar(writeLine: Io["stderr"]): ProgressDisplay {
  const describe = describer();
  const terminal = new Terminal();
  let latest: Progress = { total: undefined, finished: 0, failed: 0, running: 0, retrying: 0 };
  const bar = new cliProgress.SingleBar({
    // The last column stays free, as after it some terminals go to the next line.
    format: (_options, { maxWidth }) => line(latest, describe(latest), maxWidth - 1),
    stream: terminal as unknown as NodeJS.WritableStream,
    clearOnComplete: true,
    gracefulExit: false, // signals are for the run
  });
  const show = () => {
    bar.start(0, 0);
    terminal.drawsFrames = true;
  };
  const hide = () => {
    terminal.drawsFrames = false;
    bar.stop();
  };
  show();
  return {
    update: (progress) => latest = progress,
    async log(text) {
      hide();
      await writeLine(text);
      show();
    },
    stop: hide,
  };
}

/** The bar, where there is room for it, and what it stands for. */
function line({ total, finished }: Progress, text: string, width: number): string {
  const length = total ? Math.round(BAR_WIDTH * finished / total) : 0;
  const bar = total === undefined ? "" : "█".repeat(length).padEnd(BAR_WIDTH, "░") + " ";
  return (bar.length + text.length <= width ? bar + text : text).slice(0, Math.max(0, width));
}
