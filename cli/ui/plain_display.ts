import type { ByteSink } from "../../jsonl/mod.ts";
import type { Progress } from "../../pool/options.ts";
import { type Io, notify } from "../io.ts";
import type { Display } from "./display.ts";
import { progressFormatter } from "./progress_text.ts";

const NEWLINE = 10;

/** Writes output as it comes, and a progress line at each interval, for logs. */
export class PlainDisplay implements Display {
  readonly showsProgress: boolean;
  readonly stdout: ByteSink;
  readonly stderr: ByteSink;
  readonly #io: Io;
  readonly #format = progressFormatter();
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #latest: Progress | undefined;
  #isAtLineStart = true;

  /** @param intervalMs the time between progress lines; undefined for no progress. */
  constructor(io: Io, intervalMs: number | undefined) {
    this.#io = io;
    this.showsProgress = intervalMs !== undefined;
    this.stdout = io.outputsShareTerminal ? this.#tracking(io.stdout) : io.stdout;
    this.stderr = this.#tracking(io.stderrBytes);
    if (intervalMs !== undefined) this.#timer = setInterval(() => this.#writeProgress(), intervalMs);
  }

  readonly log = async (line: string): Promise<void> => {
    const begin = this.#isAtLineStart ? undefined : writeOrLose(this.stderr, new Uint8Array([NEWLINE]));
    await Promise.all([begin, this.#io.stderr(line)]); // both queued now, so that no output comes between them
  };

  update(progress: Progress): void {
    this.#latest = progress;
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    clearInterval(this.#timer);
    return Promise.resolve();
  }

  #writeProgress(): void {
    if (this.#latest) notify(this.log, `taskrunner: ${this.#format(this.#latest)}`);
  }

  /** Returns a sink that notes whether its output ends within a line. */
  #tracking(sink: ByteSink): ByteSink {
    return {
      write: (bytes) => {
        if (bytes.length > 0) this.#isAtLineStart = bytes.at(-1) === NEWLINE;
        return sink.write(bytes);
      },
    };
  }
}

async function writeOrLose(sink: ByteSink, bytes: Uint8Array): Promise<void> {
  try {
    await sink.write(bytes);
  } catch {
    // The message is lost, too.
  }
}
