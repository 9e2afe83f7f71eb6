/** A real terminal: tmux without a screen. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { PROJECT, RUN_MODULE, start, waitFor, withTempDirectory } from "./helpers.ts";

/** Options of {@linkcode Tmux.with}. */
export interface TmuxOptions {
  /** Default: 20. */
  rows?: number;
}

/** A terminal in which one shell script runs. */
export class Tmux {
  readonly #socket: string;
  readonly #rows: number;

  private constructor(socket: string, rows: number) {
    this.#socket = socket;
    this.#rows = rows;
  }

  /**
   * Runs a shell script in a terminal while a function uses the terminal. In the script, `$RUNTIME` runs a module. At its
   * end, the script prints END.
   */
  static async with(
    columns: number,
    script: string,
    use: (terminal: Tmux, directory: string) => Promise<void>,
    { rows = 20 }: TmuxOptions = {},
  ): Promise<void> {
    await withTempDirectory(async (directory) => {
      const terminal = new Tmux(join(directory, "socket"), rows);
      const path = join(directory, "script");
      const runtime = [process.execPath, ...RUN_MODULE].join(" ");
      await writeFile(path, `cd ${PROJECT}; RUNTIME='${runtime}' DIRECTORY=${directory} NO_COLOR=1\n${script}\n`);
      await terminal.#run(
        "-f",
        "/dev/null",
        "new-session",
        "-d",
        "-x",
        `${columns}`,
        "-y",
        `${rows}`,
        `trap : INT; . ${path}; echo END; exec cat`,
      );
      try {
        await use(terminal, directory);
      } finally {
        await terminal.#run("kill-server").catch(() => {}); // the terminal may have ended
      }
    });
  }

  /** Changes the width. */
  async resize(columns: number): Promise<void> {
    await this.#run("resize-window", "-x", `${columns}`, "-y", `${this.#rows}`);
  }

  /** Types keys, such as `C-c`. */
  async type(...keys: string[]): Promise<void> {
    await this.#run("send-keys", ...keys);
  }

  /** Returns the lines that the terminal shows and those that have scrolled off, without the empty ones at the end. */
  async lines(): Promise<string[]> {
    return await this.#capture();
  }

  /** Returns the lines with the sequences that set colors and other styles. */
  async styledLines(): Promise<string[]> {
    return await this.#capture("-e");
  }

  /** Waits until the lines meet a condition. Returns them. */
  async waitFor(what: string, condition: (lines: string[]) => unknown): Promise<string[]> {
    let lines: string[] = [];
    try {
      await waitFor(what, async () => condition(lines = await this.lines()));
    } catch (error) {
      throw new Error(`${(error as Error).message}:\n${lines.join("\n")}`, { cause: error });
    }
    return lines;
  }

  async #capture(...flags: string[]): Promise<string[]> {
    const text = await this.#run("capture-pane", "-p", ...flags, "-S", "-");
    return text.trimEnd().split("\n").map((line) => line.trimEnd());
  }

  async #run(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await start("tmux", ["-S", this.#socket, ...args], { stdin: "" }).ended;
    if (status !== 0) throw new Error(`tmux ${args.join(" ")}: ${stderr}`);
    return stdout;
  }
}
