/** A terminal in memory, with the control sequences that the command uses. */

import type { Terminal } from "../../cli/ui/terminal_display.ts";

// deno-lint-ignore no-control-regex -- matching control characters is the purpose
const PARTS = /\x1b\[(\??)(\d*)([A-Za-z])|[^]/gu;

const TAB_COLUMNS = 8;

/** The lines of a terminal that scrolls without a limit, and its cursor. */
export class Screen {
  columns: number;
  /** The row of the cursor. */
  row = 0;
  /** The column of the cursor; equal to `columns` when the line is full and the next character wraps. */
  column = 0;
  /** True before the first output and after a newline. */
  isAtLineStart = true;
  readonly #rows: string[][] = [[]];
  #wraps = true;

  constructor(columns: number) {
    this.columns = columns;
  }

  /** The text of the rows, without trailing spaces. */
  get lines(): string[] {
    return this.#rows.map((cells) => Array.from(cells, (cell) => cell ?? " ").join("").trimEnd());
  }

  /** Takes output. A newline also returns to the first column, as a terminal's driver arranges. */
  write(text: string): void {
    if (text !== "") this.isAtLineStart = text.endsWith("\n");
    for (const [part, , count, final] of text.matchAll(PARTS)) {
      if (final) this.#control(part.slice(2), Number(count || 1), final);
      else if (part === "\n") this.#moveTo(this.row + 1, 0);
      else if (part === "\r") this.column = 0;
      else if (part === "\t") {
        this.column = Math.min(this.columns - 1, this.column - this.column % TAB_COLUMNS + TAB_COLUMNS);
      } else this.#put(part);
    }
  }

  #put(character: string): void {
    if (this.column === this.columns) {
      if (this.#wraps) this.#moveTo(this.row + 1, 0);
      else this.column--;
    }
    this.#rows[this.row]![this.column++] = character;
  }

  #moveTo(row: number, column: number): void {
    this.row = row;
    this.column = column;
    while (this.#rows.length <= row) this.#rows.push([]);
  }

  #control(sequence: string, count: number, final: string): void {
    if (final === "m") return;
    if (sequence === "?7l" || sequence === "?7h") this.#wraps = final === "h";
    else if (final === "A") this.#moveTo(Math.max(0, this.row - count), Math.min(this.column, this.columns - 1));
    else if (final === "C") this.column = Math.min(this.column + count, this.columns - 1);
    else if (sequence === "K") this.#rows[this.row]!.length = Math.min(this.column, this.#rows[this.row]!.length);
    else if (sequence === "2K") this.#rows[this.row] = [];
    else if (sequence === "J") {
      this.#rows[this.row]!.length = Math.min(this.column, this.#rows[this.row]!.length);
      for (let row = this.row + 1; row < this.#rows.length; row++) this.#rows[row] = [];
    } else throw new Error(`The screen does not know the control sequence ${sequence}`);
  }
}

/** A terminal that records what is written to it, and takes it when the test allows. */
export class FakeTerminal implements Terminal {
  columns: number | undefined = 100;
  isStuck = false;
  outputsShareTerminal = true;
  isReading = false;
  /** The error of the next write to standard output. */
  stdoutError: Error | undefined;
  readonly #writes: { stream: "stdout" | "stderr"; text: string }[] = [];
  readonly #waiting: (() => void)[] = [];

  readonly stdout = { write: (bytes: Uint8Array) => this.#write("stdout", bytes) };
  readonly stderrBytes = { write: (bytes: Uint8Array) => this.#write("stderr", bytes) };
  readonly terminalColumns = () => this.columns;
  readonly isReadingTerminal = () => this.isReading;

  /** Takes what waits. */
  release(): void {
    this.isStuck = false;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Returns the writes since the last call, with visible control sequences. */
  taken(): string[] {
    return this.takenWrites().map(({ text }) => text.replaceAll("\x1b", "^").replaceAll("\r", "<"));
  }

  /** Returns the writes since the last call. */
  takenWrites(): { stream: "stdout" | "stderr"; text: string }[] {
    return this.#writes.splice(0);
  }

  #write(stream: "stdout" | "stderr", bytes: Uint8Array): Promise<void> {
    if (stream === "stdout" && this.stdoutError) return Promise.reject(this.stdoutError);
    this.#writes.push({ stream, text: new TextDecoder().decode(bytes) });
    return this.isStuck ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve();
  }
}
