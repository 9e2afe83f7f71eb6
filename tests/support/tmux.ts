/** A real terminal: tmux without a screen. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { PROJECT, RUN_MODULE, start, waitFor, withTempDirectory } from "./helpers.ts";

/** A terminal in which one shell script runs. */
export class Tmux {
  readonly #socket: string;

  private constructor(socket: string) {
    this.#socket = socket;
  }

  /**
   * Runs a shell script in a terminal while a function uses the terminal. In the script, `$RUNTIME` runs a module. At its
   * end, the script prints END.
   */
  static async with(
    columns: number,
    script: string,
    use: (terminal: Tmux, directory: string) => Promise<void>,
  ): Promise<void> {
    await withTempDirectory(async (directory) => {
      const terminal = new Tmux(join(directory, "socket"));
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
        "20",
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
    await this.#run("resize-window", "-x", `${columns}`, "-y", "20");
  }

  /** Types keys, such as `C-c`. */
  async type(...keys: string[]): Promise<void> {
    await this.#run("send-keys", ...keys);
  }

  /** Returns the lines that the terminal shows and those that have scrolled off, without the empty ones at the end. */
  async lines(): Promise<string[]> {
    const text = await this.#run("capture-pane", "-p", "-S", "-");
    return text.trimEnd().split("\n").map((line) => line.trimEnd());
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

  async #run(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await start("tmux", ["-S", this.#socket, ...args], { stdin: "" }).ended;
    if (status !== 0) throw new Error(`tmux ${args.join(" ")}: ${stderr}`);
    return stdout;
  }
}
