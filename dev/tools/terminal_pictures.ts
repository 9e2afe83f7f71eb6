/**
 * Draws the terminal sessions in docs/terminal: runs commands in a real terminal, tmux, and writes its content as SVG.
 *
 *     deno task pictures [PICTURE...]
 *
 * Needs tmux and xz. Without PICTURE, such as progress, draws all.
 */

import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { pathWithTaskrunner, PROJECT, randomNumbers, waitFor, withTempDirectory } from "../../tests/support/helpers.ts";
import { Tmux } from "../../tests/support/tmux.ts";
import { plainText, terminalSvg } from "./terminal_svg.ts";

const COLUMNS = 80;
const ROWS = 24;
const PROMPT = "$";
const PROMPT_STYLE = { begin: "\x1b[1;32m", end: "\x1b[0m" } as const;
const TARGET = join(PROJECT, "docs", "terminal");

/** A shell in the directory of a picture. Its user types one command after another. */
class Session {
  readonly #terminal: Tmux;
  #commands = 0;

  constructor(terminal: Tmux) {
    this.#terminal = terminal;
  }

  /** Types a command when the shell is ready. */
  async type(command: string): Promise<void> {
    await this.prompt();
    await this.#terminal.type("-l", command);
    await this.#terminal.type("Enter");
    this.#commands++;
  }

  /** Ends the running command with Ctrl-C. */
  async interrupt(): Promise<void> {
    await this.#terminal.type("C-c");
    await this.prompt();
  }

  /** Runs commands to their ends. Returns the lines without the last prompt. */
  async run(...commands: string[]): Promise<string[]> {
    for (const command of commands) await this.type(command);
    return await this.prompt();
  }

  /** Waits for the next prompt. Returns the lines above. */
  async prompt(): Promise<string[]> {
    return (await this.until("the prompt", (lines) => this.#isReady(lines))).slice(0, -1);
  }

  #isReady(lines: readonly string[]): boolean {
    const prompts = lines.filter((line) => line === PROMPT || line.startsWith(`${PROMPT} `));
    return lines.at(-1) === PROMPT && prompts.length > this.#commands;
  }

  /** Waits until the lines meet a condition. Returns them with their styles. */
  async until(what: string, condition: (lines: readonly string[]) => boolean): Promise<string[]> {
    let lines: string[] = [];
    try {
      await waitFor(what, async () => {
        lines = await this.#terminal.styledLines();
        return condition(lines.map((line) => plainText(line).trimEnd()));
      });
    } catch (error) {
      throw new Error(`${(error as Error).message}:\n${lines.map(plainText).join("\n")}`, { cause: error });
    }
    return lines;
  }

  /** Waits until the bar shows that about half of the tasks are finished. */
  async untilHalf(): Promise<string[]> {
    return await this.until("the bar", (lines) => {
      const percentage = Number(/ \d+\/\d+ (\d+)% done, /.exec(lines.at(-1)!)?.[1] ?? 0);
      if (percentage > 75 || this.#isReady(lines)) throw new Error("Cannot draw the bar: the tasks are too fast");
      return percentage >= 40;
    });
  }
}

/** A picture, and the session that it shows. */
interface Picture {
  /** The title, which screen readers announce. */
  title: string;
  rows?: number;
  /** Writes the files that the commands use. */
  prepare?(directory: string): Promise<unknown>;
  /** Returns the lines to draw. */
  play(session: Session, directory: string): Promise<string[]>;
}

const PICTURES: Readonly<Record<string, Picture>> = {
  "first-use": {
    title: "each runs a command for each file, and prints the output of the commands",
    prepare: (directory) =>
      writeFiles(directory, {
        "chapter 1.txt": prose(1, 2_512),
        "chapter 2.txt": prose(2, 3_127),
        "it's done.txt": prose(3, 801),
      }),
    play: (session) => session.run("taskrunner each 'wc -w {}' ::: *.txt", "ls | taskrunner each 'gzip -v {}'", "ls"),
  },
  "progress": {
    title: "The progress bar below the output of the commands",
    prepare: writeLogs,
    async play(session) {
      await session.type("taskrunner each -j 4 'gzip -9v {}' ::: *.log");
      const lines = await session.untilHalf();
      await session.interrupt();
      return lines;
    },
  },
  "tags": {
    title:
      "With --lines and --tag, the lines of three servers appear as they come, each after the colored name of its server",
    prepare: (directory) => {
      const names = ["web", "api", "types"];
      const scripts = Object.fromEntries(names.map((name) => [name, `tail -n +1 -f .${name}`]));
      const logs = Object.fromEntries(names.map((name) => [`.${name}`, ""]));
      return writeFiles(directory, { ...logs, "package.json": JSON.stringify({ scripts }) });
    },
    async play(session, directory) {
      await session.type("taskrunner each --lines --tag -j 3 'npm run -s {}' ::: web api types");
      const [red, green, dim, end] = ["\x1b[31m", "\x1b[32m", "\x1b[2m", "\x1b[0m"];
      const logs = [
        ["api", "listening on http://localhost:8080"],
        ["types", `${dim}10:31:07${end} Starting compilation in watch mode...`],
        ["web", `${green}✓${end} 41 modules transformed`],
        ["web", "ready in 512 ms: http://localhost:5173/"],
        ["api", "GET /users 200 in 12 ms"],
        ["types", `${red}error${end} src/user.ts(12,7): Cannot find name 'user'.`],
        ["types", `${dim}10:31:09${end} Found 1 error. Watching for file changes.`],
        ["web", "page reload src/user.ts"],
        ["types", `${dim}10:31:31${end} Found 0 errors. Watching for file changes.`],
        ["api", `GET /users/7 ${red}404${end} in 3 ms`],
      ] as const;
      let lines: string[] = [];
      for (const [name, log] of logs) {
        await writeFile(join(directory, `.${name}`), `${log}\n`, { flag: "a" });
        const end = plainText(log).slice(-20);
        lines = await session.until(log, (lines) => lines.at(-1)!.includes("3 running") && lines.at(-2)!.endsWith(end));
      }
      await session.interrupt();
      return lines;
    },
  },
  "interrupt": {
    title: "After Ctrl-C, the first line says what happens, and a summary appears; the same command continues the run",
    prepare: writeLogs,
    async play(session) {
      const command = "taskrunner each -o zip.jsonl --resume 'gzip -9k {}' ::: *.log";
      await session.type(command);
      await session.untilHalf();
      await session.interrupt();
      return await session.run(command);
    },
  },
  "failed": {
    title: "Each failed task is reported when it ends; taskrunner failed lists them later, and prints their commands",
    async prepare(directory) {
      const archive = execFileSync("xz", ["-c"], { input: prose(1, 1_000) });
      const files = { db: "<html>", etc: archive.subarray(0, 500), home: archive, www: archive };
      await writeFiles(
        directory,
        Object.fromEntries(Object.entries(files).map(([name, data]) => [`${name}.xz`, data])),
      );
    },
    play: (session) =>
      session.run(
        "taskrunner each -o check.jsonl --record-cmd 'xz -t {}' ::: *.xz",
        "taskrunner failed check.jsonl",
        "taskrunner failed check.jsonl --cmd",
      ),
  },
  "help": {
    title: "The help of taskrunner",
    play: (session) => session.run("taskrunner help"),
  },
};

const names = process.argv.slice(2);
const unknown = names.find((name) => !Object.hasOwn(PICTURES, name));
if (unknown !== undefined) throw new Error(`Cannot draw ${unknown}: choose from ${Object.keys(PICTURES).join(", ")}`);
await mkdir(TARGET, { recursive: true });
for (const name of names.length > 0 ? names : Object.keys(PICTURES)) {
  await draw(name, PICTURES[name]!);
  console.log(`docs/terminal/${name}.svg`);
}

async function draw(name: string, { title, rows = ROWS, prepare, play }: Picture): Promise<void> {
  await withTempDirectory(async (directory) => {
    const work = join(directory, "work");
    await mkdir(work);
    await prepare?.(work);
    const environment = {
      PATH: await pathWithTaskrunner(directory),
      HOME: directory,
      LANG: "C.UTF-8",
      PS1: `${PROMPT_STYLE.begin}${PROMPT}${PROMPT_STYLE.end} `,
      npm_config_update_notifier: "false",
    };
    const variables = Object.entries(environment).map(([name, value]) => `'${name}=${value}'`).join(" ");
    const script = `cd '${work}'; exec env -i TERM="$TERM" ${variables} sh -i`;
    await Tmux.with(COLUMNS, script, async (terminal) => {
      const session = new Session(terminal);
      const lines = await play(session, work);
      const text = lines.map(plainText).join("\n");
      if (text.includes(directory) || text.includes(PROJECT)) throw new Error(`${name} shows a path of this machine`);
      await writeFile(join(TARGET, `${name}.svg`), terminalSvg(lines, { columns: COLUMNS, title }));
    }, { rows });
  });
}

async function writeFiles(directory: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [name, data] of Object.entries(files)) await writeFile(join(directory, name), data);
}

/** Writes twelve logs that take gzip a while. */
async function writeLogs(directory: string): Promise<void> {
  const random = randomNumbers(1);
  const chunk = Array.from({ length: 50_000 }, (_, index) => {
    const [request, status, ms] = [random(), random(), random()].map((value) => Math.floor(value * 1e9));
    return `${index} GET /items/${request!.toString(36)} ${200 + status! % 300} ${ms} us\n`;
  }).join("");
  for (let number = 1; number <= 12; number++) {
    await writeFile(join(directory, `app-${String(number).padStart(2, "0")}.log`), chunk.repeat(3 + number % 3));
  }
}

/** Returns reproducible words. */
function prose(seed: number, words: number): string {
  const random = randomNumbers(seed);
  const vocabulary = "the of and a to in is was night run wind river stone light old small went saw took".split(" ");
  return Array.from({ length: words }, (_, index) => {
    const word = vocabulary[Math.floor(random() * vocabulary.length)]!;
    return word + (index % 12 === 11 ? "\n" : " ");
  }).join("");
}
