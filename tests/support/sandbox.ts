/** Isolates a run of the command, so that tests can find its processes and temporary files. */

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

/** Flags of unshare(1) for a private mount namespace: root needs no user namespace, others do. */
const UNSHARE = [["--mount"], ["--map-root-user", "--mount"]].find((flags) =>
  spawnSync("unshare", [...flags, "true"]).status === 0
);

/** True when the setup script of a run can mount file systems that only the run sees. */
export const CAN_MOUNT = UNSHARE !== undefined;

/** Options of {@linkcode Sandbox.with}. */
export interface SandboxOptions {
  /** Command prefix that runs a module; default: the runtime under test. */
  runtime?: readonly string[] | undefined;
  /** Parent of the directory that replaces `/dev/shm`; default: the directory of the sandbox. */
  memory?: string | undefined;
}

/**
 * Runs the command with private directories in place of `/dev/shm` and `TMPDIR`, and with a unique environment variable
 * that identifies all processes of the run.
 */
export class Sandbox {
  readonly directory: string;
  /** Path of the results file, for `-o`. */
  readonly output: string;
  readonly env: Record<string, string>;
  /** The directory that replaces `/dev/shm`. */
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

  /** Calls a function with a sandbox, then kills its processes and removes its directories. */
  static with<T>(use: (sandbox: Sandbox) => Promise<T>, options: SandboxOptions = {}): Promise<T> {
    const { runtime = [process.execPath, ...RUN_MODULE], memory } = options;
    return withTempDirectory((directory) =>
      withTempDirectory(async (shm) => {
        const sandbox = new Sandbox(directory, shm, runtime);
        await mkdir(sandbox.#tmp);
        try {
          return await use(sandbox);
        } finally {
          for (const pid of sandbox.processes()) signalIfThere(pid, "SIGKILL");
        }
      }, memory ?? directory)
    );
  }

  get #tmp(): string {
    return join(this.directory, "tmp");
  }

  /**
   * Starts the command. The started process is the command itself, so tests can signal it.
   *
   * @param setup Shell code to run first, such as `ulimit -n 50`; `"$@"` in it is the command with its arguments.
   */
  start(args: readonly string[], { env, ...options }: StartOptions = {}, setup = ":"): Started {
    const command = [...this.#runtime, join(PROJECT, "cli.ts"), ...args];
    const bind = UNSHARE ? `mount --bind '${this.shm}' /dev/shm && ` : "";
    const shell = ["sh", "-c", `${bind}{ ${setup}; } && exec "$@"`, "sh", ...command];
    const [program, ...rest] = UNSHARE ? ["unshare", ...UNSHARE, ...shell] : shell;
    return start(program!, rest, { ...options, env: { ...this.env, ...env } });
  }

  /** Starts a run of tasks that writes to {@linkcode Sandbox.output}. */
  async run(tasks: readonly Task[], args: readonly string[] = [], options?: StartOptions, setup?: string) {
    const file = await taskFile(this.directory, tasks);
    return this.start([file, "-q", "-o", this.output, ...args], { stdin: "", ...options }, setup);
  }

  /** Returns the ids of all running processes of the run, including those of its tasks. */
  processes(): number[] {
    return readdirSync("/proc").map(Number).filter((pid) => {
      if (!(pid > 0) || !isAlive(pid)) return false;
      try {
        return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(this.#mark);
      } catch {
        return false; // the process has just ended, or belongs to another user
      }
    });
  }

  /** Returns the ids and command lines of these processes; only the id of a process that has just ended. */
  commandLines(): string[] {
    return this.processes().map(commandLine);
  }

  /** Returns the paths of all temporary files and directories of the run. */
  temporaryFiles(): string[] {
    return [this.#tmp, this.shm].flatMap(allIn);
  }

  /** Reads the results in a file. Fails unless each line is complete and a valid result. */
  results(file: string = this.output): TaskResult[] {
    return existsSync(file) ? this.resultsIn(readFileSync(file, "utf8")) : [];
  }

  /** Parses results from text. Fails unless each line is complete and a valid result. */
  resultsIn(text: string): TaskResult[] {
    assert(text === "" || text.endsWith("\n"), "the last line is incomplete");
    return text.split("\n").slice(0, -1).map((line) => parseResult(JSON.parse(line)));
  }

  /** Asserts that there is exactly one result for each id, and none for other ids. */
  assertOneResultEach(ids: readonly string[]): void {
    assertEquals(this.results().map(({ id }) => id).sort(), [...ids].sort());
  }

  /** Waits until no process is left, then removes the temporary files. */
  async removeLeftovers(): Promise<void> {
    await waitFor("the end of all processes", () => this.processes().length === 0);
    for (const path of this.temporaryFiles()) await rm(path, { recursive: true, force: true });
  }

  /** Waits until neither processes nor temporary files are left. */
  async waitForCleanup(): Promise<void> {
    await waitFor("the end of all processes", () => this.processes().length === 0).catch((error) => {
      throw new Error(`${error.message}: ${this.commandLines().join("; ")}`);
    });
    await waitFor("the removal of all temporary files", () => this.temporaryFiles().length === 0).catch((error) => {
      throw new Error(`${error.message}: ${this.temporaryFiles().join(", ")}`);
    });
  }
}

/** Returns all paths below a directory, which may be removed at the same time. */
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
