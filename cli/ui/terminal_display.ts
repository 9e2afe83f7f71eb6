import type { ByteSink } from "../../jsonl/mod.ts";
import type { Progress } from "../../pool/options.ts";
import { concatenate } from "../../text/concatenate.ts";
import { printable } from "../../text/excerpt.ts";
import type { Io } from "../io.ts";
import type { Display } from "./display.ts";
import { barLine } from "./progress_bar.ts";
import { progressFormatter } from "./progress_text.ts";
import { columnAfter, MAX_LINE_BYTES } from "./terminal_column.ts";

/** Time before the first frame, so that a short run shows no bar. */
const SHOW_AFTER_MS = 300;

const FRAME_INTERVAL_MS = 100;

/** Limit of queued bytes. Beyond it, they are written before the next frame is due. */
const MAX_QUEUED_BYTES = 65_536;

const DEFAULT_COLUMNS = 80;
const NEWLINE = 10;
const CLEAR_LINE = "\r\x1b[2K";
/** Clears the line and all below. In the first column of the first line, tmux would copy the screen to its history. */
const CLEAR_BELOW = "\r\x1b[K\x1b[C\x1b[J\r";
const UP = "\x1b[A";
const NOTHING = new Uint8Array();
const encoder = new TextEncoder();

/** The streams of a terminal. */
export type Terminal = Pick<
  Io,
  "stdout" | "stderrBytes" | "outputsShareTerminal" | "terminalColumns" | "isReadingTerminal"
>;

/** A piece of output. A message begins on a new line. */
interface Piece {
  readonly kind: "stdout" | "stderr" | "message";
  readonly bytes: Uint8Array;
}

/** Writes in their order, each to one stream. */
type Writes = { toStdout: boolean; chunks: Uint8Array[] }[];

/** The bar on the screen. */
interface ShownBar {
  readonly line: string;
  /** The width of the terminal when the bar was drawn. */
  readonly columns: number;
  /** The column at which the output on the line above the bar ends; undefined if the output ends with a newline. */
  readonly outputColumn: number | undefined;
}

/**
 * A bar on the last line of a terminal, below all output. The bar appears after 300 ms. From then on, output is collected and
 * written at most ten times a second, together with the next frame, or when 64 KiB are collected. Standard output gets
 * exactly the bytes of the tasks; all control sequences go to standard error.
 */
export class TerminalDisplay implements Display {
  readonly showsProgress = true;
  readonly stdout: ByteSink;
  readonly stderr: ByteSink = { write: (bytes) => this.#add("stderr", bytes) };
  readonly #terminal: Terminal;
  readonly #format = progressFormatter();
  #latest: Progress = { total: undefined, finished: 0, failed: 0, running: 0, retrying: 0 };
  #bar: ShownBar | undefined;
  /** The output since the last newline, up to the limit at which its width counts as unknown. */
  #lastLine: Uint8Array = NOTHING;
  #isActive = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pieces: Piece[] = [];
  #queuedBytes = 0;
  /** Numbers of pieces. */
  #added = 0;
  #written = 0;
  #writing: Promise<void> | undefined;
  #lastWriteMs = -Infinity;
  #failure: { error: unknown } | undefined;

  /** Starts the timer of the first frame. */
  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.stdout = terminal.outputsShareTerminal ? { write: (bytes) => this.#add("stdout", bytes) } : terminal.stdout;
    this.#timer = setTimeout(() => {
      this.#isActive = true;
      this.#drawFrame();
    }, SHOW_AFTER_MS);
  }

  readonly log = (line: string): Promise<void> => this.#add("message", encoder.encode(`${printable(line)}\n`));

  update(progress: Progress): void {
    this.#latest = progress;
  }

  async flush(): Promise<void> {
    await this.#waitFor(this.#added);
    if (this.#failure) throw this.#failure.error;
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#waitFor(this.#added);
    await this.#writing;
    if (!this.#isActive) return;
    await this.#write(); // a log of the terminal then ends with the final numbers
    this.#isActive = false;
    await this.#write();
  }

  async #add(kind: Piece["kind"], bytes: Uint8Array): Promise<void> {
    if (kind === "stdout" && this.#failure) throw this.#failure.error;
    if (bytes.length === 0) return;
    const waits = !this.#isActive || bytes.length >= MAX_QUEUED_BYTES;
    this.#pieces.push({ kind, bytes: waits ? bytes : bytes.slice() }); // the caller may reuse its buffer
    this.#queuedBytes += bytes.length;
    const number = ++this.#added;
    if (waits) await this.#waitFor(number);
    else if (this.#queuedBytes >= MAX_QUEUED_BYTES) await this.#write();
    else if (performance.now() - this.#lastWriteMs >= FRAME_INTERVAL_MS) this.#startWriting();
    if (kind === "stdout" && this.#failure) throw this.#failure.error;
  }

  /** Waits until a number of pieces is written. */
  async #waitFor(pieces: number): Promise<void> {
    while (this.#written < pieces) await this.#write();
  }

  #drawFrame(): void {
    // A terminal that takes nothing, as after Ctrl-S, gets no further frames.
    if (!this.#writing) this.#startWriting();
    this.#timer = setTimeout(() => this.#drawFrame(), FRAME_INTERVAL_MS);
  }

  #startWriting(): void {
    this.#write().catch(() => {}); // never rejects
  }

  /** Writes what is queued and the bar, or waits for a write that is under way. Never rejects. */
  #write(): Promise<void> {
    return this.#writing ??= this.#writeQueued().finally(() => this.#writing = undefined);
  }

  async #writeQueued(): Promise<void> {
    const pieces = this.#pieces.splice(0);
    const number = this.#added;
    this.#queuedBytes = 0;
    this.#lastWriteMs = performance.now();
    const writes: Writes = [];
    for (const piece of pieces) this.#place(piece, writes);
    if (this.#isActive) this.#showBar(writes);
    else this.#hideBar(writes, false);
    for (const { toStdout, chunks } of writes) {
      if (toStdout && this.#failure) continue;
      try {
        await (toStdout ? this.#terminal.stdout : this.#terminal.stderrBytes).write(
          chunks.length === 1 ? chunks[0]! : concatenate(chunks),
        );
      } catch (error) {
        if (toStdout) this.#failure ??= { error }; // standard error is a terminal, which may be gone
      }
    }
    this.#written = number;
  }

  #place({ kind, bytes }: Piece, writes: Writes): void {
    this.#hideBar(writes, kind === "message");
    if (kind === "message" && this.#lastLine.length > 0) put(writes, "\n");
    put(writes, bytes, kind === "stdout");
    const lineBegin = bytes.lastIndexOf(NEWLINE) + 1;
    const before = lineBegin > 0 ? NOTHING : this.#lastLine;
    this.#lastLine = concatenate([before, bytes.subarray(lineBegin)]).slice(0, MAX_LINE_BYTES + 1);
  }

  /** Draws the bar below the output, or replaces the shown bar. */
  #showBar(writes: Writes): void {
    if (this.#terminal.isReadingTerminal()) return; // the user is typing on the last line
    const columns = this.#columns;
    // The last column stays free: after a character in it, some terminals move to the next line.
    const line = barLine(this.#latest, this.#format(this.#latest), columns - 1);
    let outputColumn = this.#bar?.outputColumn;
    let begin = "";
    if (this.#bar) {
      if (this.#bar.line === line && this.#bar.columns === columns) return;
      if (this.#bar.columns !== columns) {
        this.#forgetLastLine();
        outputColumn = undefined;
        begin = CLEAR_BELOW;
      }
    } else if (this.#lastLine.length > 0) {
      outputColumn = columnAfter(this.#lastLine, columns);
      // The output could not continue at its place: its width is unknown, or its next character begins another line.
      if (outputColumn === undefined || outputColumn === columns) return;
      begin = "\n";
    }
    // Some terminals draw the blocks of the bar two columns wide. Without automatic wrapping the line stays one line; each
    // frame restores wrapping, so that a killed run leaves the terminal as it was. The cursor stays at the begin of the
    // bar, so that it stays there when a narrower terminal breaks the bar into several lines.
    put(writes, `${begin}\x1b[?7l\r${line}\x1b[K\x1b[?7h\r`);
    this.#bar = { line, columns, outputColumn };
  }

  /**
   * Clears the bar, and moves the cursor to the end of the output.
   *
   * @param isForMessage whether a message follows, which begins on the line of the bar.
   */
  #hideBar(writes: Writes, isForMessage: boolean): void {
    if (!this.#bar) return;
    const { columns, outputColumn } = this.#bar;
    this.#bar = undefined;
    if (columns !== this.#columns) {
      // Terminals differ in where the end of the output is now, so the next output begins on the line of the bar.
      this.#forgetLastLine();
      return put(writes, CLEAR_BELOW);
    }
    put(writes, CLEAR_LINE);
    if (isForMessage) this.#forgetLastLine();
    else if (outputColumn !== undefined) put(writes, outputColumn === 0 ? UP : `${UP}\x1b[${outputColumn}C`);
  }

  /** Continues the output at the begin of a line. */
  #forgetLastLine(): void {
    this.#lastLine = NOTHING;
  }

  get #columns(): number {
    return this.#terminal.terminalColumns() || DEFAULT_COLUMNS;
  }
}

/** Adds a write, or extends the last one. */
function put(writes: Writes, output: string | Uint8Array, toStdout = false): void {
  const chunk = typeof output === "string" ? encoder.encode(output) : output;
  const last = writes.at(-1);
  if (last?.toStdout === toStdout) last.chunks.push(chunk);
  else writes.push({ toStdout, chunks: [chunk] });
}
