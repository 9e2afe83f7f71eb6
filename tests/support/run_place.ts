/** A place for one run of the tool, where what it leaves behind can be seen, whatever else goes on on the machine. */

import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { parseResult, type Task, type TaskResult } from "../../mod.ts";
import {
  isAlive,
  PROJECT,
  RUN_MODULE,
  signalIfThere,
  start,
  type Started,
  type StartOptions,
  taskFile,
  waitFor,
  withTempDirectory,
} from "./helpers.ts";

/** How to have mounts of one's own. Root may; others can be root in a namespace of theirs, on most systems. */
const UNSHARE = [["--mount"], ["--map-root-user", "--mount"]].find((flags) =>
  spawnSync("unshare", [...flags, "true"]).status === 0
);

/** Whether what a shell does first, for a run, can be to mount something that only the run sees. */
export const CAN_MOUNT = UNSHARE !== undefined;

/** What can be said of a place. */
export interface RunPlaceOptions {
  /** How the tool is run. By default that is the runtime under test. */
  runtime?: readonly string[] | undefined;
  /** Where the directory is made that stands for `/dev/shm`. By default that is the directory of the place. */
  memory?: string | undefined;
}

/**
 * Has a directory of its own in the place of `/dev/shm`, another one for temporary files, and a variable that all its
 * processes have, by which they are found.
 */
export class RunPlace {
  readonly directory: string;
  /** Where the results are, for `-o`. */
  readonly output: string;
  readonly env: Record<string, string>;
  /** What stands for `/dev/shm`. */
  readonly shm: string;
  readonly #mark = `TASKRUNNER_TEST_MARK=${randomBytes(8).toString("hex")}`;
  readonly #runtime: readonly string[];

  private constructor(directory: string, shm: string, runtime: readonly string[]) {
    this.directory = directory;
    this.shm = shm;
    this.#runtime = runtime;
    this.output = join(directory, "results.jsonl");
    const [name, value] = this.#mark.split("=");
    this.env = { TMPDIR: this.#tmp, [name!]: value! };
  }

  /** Calls a function with a place, of which nothing is left after it. */
  static with<T>(use: (place: RunPlace) => Promise<T>, options: RunPlaceOptions = {}): Promise<T> {
    const { runtime = [process.execPath, ...RUN_MODULE], memory } = options;
    return withTempDirectory((directory) =>
      withTempDirectory(async (shm) => {
        const place = new RunPlace(directory, shm, runtime);
        await mkdir(place.#tmp);
        try {
          return await use(place);
        } finally {
          for (const pid of place.processes()) signalIfThere(pid, "SIGKILL");
        }
      }, memory ?? directory)
    );
  }

  get #tmp(): string {
    return join(this.directory, "tmp");
  }

  /**
   * Starts the tool, in the runtime under test. The process that is started becomes the tool, so that it can be sent
   * signals.
   *
   * @param setup what a shell does first, such as `ulimit -n 50`. The tool with its arguments is `"$@"`.
   */
  start(args: readonly string[], { env, ...options }: StartOptions = {}, setup = ":"): Started {
    const command = [...this.#runtime, join(PROJECT, "cli.ts"), ...args];
    const bind = UNSHARE ? `mount --bind '${this.shm}' /dev/shm && ` : "";
    const shell = ["sh", "-c", `${bind}{ ${setup}; } && exec "$@"`, "sh", ...command];
    const [program, ...rest] = UNSHARE ? ["unshare", ...UNSHARE, ...shell] : shell;
    return start(program!, rest, { ...options, env: { ...this.env, ...env } });
  }

  /** Starts a run of these tasks that writes to {@linkcode RunPlace.output}. */
  async run(tasks: readonly Task[], args: readonly string[] = [], options?: StartOptions, setup?: string) {
    const file = await taskFile(this.directory, tasks);
    return this.start([file, "-q", "-o", this.output, ...args], { stdin: "", ...options }, setup);
  }

  /** The processes of the run that have not ended, those of its tasks too. */
  processes(): number[] {
    return readdirSync("/proc").map(Number).filter((pid) => {
      if (!(pid > 0) || !isAlive(pid)) return false;
      try {
        return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(this.#mark);
      } catch {
        return false; // it is gone meanwhile, or of somebody else
      }
    });
  }

  /** Their ids and command lines; only the id of one that has ended meanwhile. */
  commandLines(): string[] {
    return this.processes().map(commandLine);
  }

  /** The temporary files of the run. */
  temporaryFiles(): string[] {
    return [this.#tmp, this.shm].flatMap(allIn);
  }

  /** The results in a file. Each line has to be whole, and a result that the library accepts. */
  results(file: string = this.output): TaskResult[] {
    return existsSync(file) ? this.resultsIn(readFileSync(file, "utf8")) : [];
  }

  /** The same for the content of a file. */
  resultsIn(text: string): TaskResult[] {
    assert(text === "" || text.endsWith("\n"), "the last line is not whole");
    return text.split("\n").slice(0, -1).map((line) => parseResult(JSON.parse(line)));
  }

  /** Each of these ids has one result, and nothing else has one. */
  assertOneResultEach(ids: readonly string[]): void {
    assertEquals(this.results().map(({ id }) => id).sort(), [...ids].sort());
  }

  /** No process is left, or will be in a moment; and then no temporary file. */
  async removeWhatIsLeft(): Promise<void> {
    await waitFor("the end of all processes", () => this.processes().length === 0);
    for (const path of this.temporaryFiles()) await rm(path, { recursive: true, force: true });
  }

  /** No process and no temporary file is left, or will be in a moment. */
  async waitForNothingLeft(): Promise<void> {
    await waitFor("the end of all processes", () => this.processes().length === 0).catch((error) => {
      throw new Error(`${error.message}: ${this.commandLines().join("; ")}`);
    });
    await waitFor("the end of all temporary files", () => this.temporaryFiles().length === 0).catch((error) => {
      throw new Error(`${error.message}: ${this.temporaryFiles().join(", ")}`);
    });
  }
}

/** All files and directories in a directory, which may be removed meanwhile. */
function allIn(directory: string): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
      const path = join(directory, entry.name);
      return entry.isDirectory() ? [path, ...allIn(path)] : [path];
    });
  } catch {
    return [];
  }
}

function commandLine(pid: number): string {
  try {
    return `${pid} ${readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ")}`;
  } catch {
    return `${pid}`;
  }
}
