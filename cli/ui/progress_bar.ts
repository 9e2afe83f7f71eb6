import process from "node:process";
import { writeStderr } from "../../system/standard_streams.ts";
import type { ByteSink } from "../../jsonl/mod.ts";
import type { Progress } from "../../pool/options.ts";
import type { Io } from "../io.ts";
import { type ProgressDisplay, progressFormatter } from "./progress_text.ts";

const BAR_COLUMNS = 24;
const FRAME_INTERVAL_MS = 100;

/** Limit of characters queued for a terminal that takes none, as after Ctrl-S. Frames beyond it are dropped. */
const MAX_QUEUED_CHARACTERS = 16_384;

const DEFAULT_COLUMNS = 80;
const CLEAR_LINE = "\r\x1b[2K";

/** The terminal that the bar is drawn on. */
export interface BarTerminal {
  /** Width of the terminal now; 0 or undefined where it is not known. */
  readonly columns: number | undefined;
  /** Queues text. Settles when the terminal has taken it; never rejects. */
  write(text: string): Promise<void>;
}

const standardError: BarTerminal = {
  get columns() {
    return process.stderr.columns;
  },
  write: writeStderr,
};

/** A bar on the last line of a terminal, redrawn at most ten times a second and only when its text changes. */
export class ProgressBar implements ProgressDisplay {
  readonly #writeLine: Io["stderr"];
  readonly #terminal: BarTerminal;
  readonly #format = progressFormatter();
  #latest: Progress = { total: undefined, finished: 0, failed: 0, running: 0, retrying: 0 };
  /** The line on the terminal; undefined when there is none. */
  #shown: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;
  #queuedCharacters = 0;

  /** Draws the first frame, and starts the timer of the next ones. */
  constructor(writeLine: Io["stderr"], terminal: BarTerminal = standardError) {
    this.#writeLine = writeLine;
    this.#terminal = terminal;
    this.#show();
  }

  update(progress: Progress): void {
    this.#latest = progress;
  }

  readonly log = async (line: string): Promise<void> => {
    this.#hide();
    await this.#writeLine(line);
    this.#show();
  };

  readonly beside = (stderr: ByteSink): ByteSink => ({
    write: async (bytes) => {
      this.#hide();
      await stderr.write(bytes);
      this.#show();
    },
  });

  stop(): void {
    if (this.#isStopped) return;
    this.#draw(); // a log of the terminal then ends with the final numbers
    this.#isStopped = true;
    this.#hide();
  }

  #show(): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timer); // two lines logged at once both show the bar again
    this.#draw();
    this.#timer = setTimeout(() => this.#show(), FRAME_INTERVAL_MS);
  }

  #hide(): void {
    clearTimeout(this.#timer);
    if (this.#shown === undefined) return;
    this.#shown = undefined;
    this.#write(CLEAR_LINE);
  }

  #draw(): void {
    // The last column stays free: after a character in it, some terminals move to the next line.
    const columns = (this.#terminal.columns || DEFAULT_COLUMNS) - 1;
    const line = barLine(this.#latest, this.#format(this.#latest), columns);
    if (line === this.#shown || this.#queuedCharacters > MAX_QUEUED_CHARACTERS) return;
    this.#shown = line;
    // Some terminals draw the blocks of the bar two columns wide. Without automatic wrapping the line stays one line; each
    // frame restores wrapping, so that a killed run leaves the terminal as it was.
    this.#write(`\x1b[?7l\r${line}\x1b[K\x1b[?7h`);
  }

  #write(text: string): void {
    this.#queuedCharacters += text.length;
    const taken = () => {
      this.#queuedCharacters -= text.length;
    };
    this.#terminal.write(text).then(taken, taken);
  }
}

/** Returns the bar and its text; only the text, cut to the width, where there is no room for both. */
function barLine({ total, finished }: Progress, text: string, columns: number): string {
  const filled = total ? Math.round(BAR_COLUMNS * finished / total) : 0;
  const bar = total === undefined ? "" : "█".repeat(filled).padEnd(BAR_COLUMNS, "░") + " ";
  return (bar.length + text.length <= columns ? bar + text : text).slice(0, Math.max(0, columns));
}
