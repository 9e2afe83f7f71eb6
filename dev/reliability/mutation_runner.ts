/**
 * Stryker's test runner: runs the tests that cover a mutant, fastest first, until one fails or hangs. Loaded by
 * Stryker, on Node.
 *
 * @module
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { EVENT, GIVE_UP, type Order, type TestEvent } from "./mutation_events.ts";

/** A test hangs if it takes longer than this multiple of its time without a mutant, plus {@linkcode SPARE_MS}. */
const SLOWER = 5;
const SPARE_MS = 3_000;
/** Grace period after the request to give up; then the process of the test is killed. */
const GIVE_UP_MS = 1_000;
/** Number of hung or failed tests after which a process is replaced, as remains of them may still be running. */
const MAX_UNFINISHED = 10;
/** Time limit for loading the modules. */
const LOAD_MS = 60_000;
/** Memory limit of a mutant, including files in memory; without it a runaway mutant would exhaust the machine. */
const MAX_BYTES = 6 * 1024 ** 3;

const PROGRAM = new URL("./mutation_tests.ts", import.meta.url).pathname;
/**
 * File in the sandbox, the working directory of all workers, with the durations of tests without a mutant, ascending.
 */
const DURATIONS_FILE = ".mutation_durations.json";
const CAN_UNSHARE = spawnSync("unshare", ["--mount", "true"]).status === 0;

/** The outcome of an order. */
interface Outcome {
  passed: { id: string; file: string; ms: number; covered: string[] }[];
  /** The test that failed or hung, with details. */
  noticed?: { id: string; message: string; hung: boolean; isStray: boolean };
}

class BunTestRunner {
  static readonly inject = ["options"] as const;
  readonly #files: string[];
  readonly #without: string | undefined;
  #durations: [id: string, ms: number][] | undefined;
  #tests: TestProcess | undefined;
  /** Number of tests in the process that have hung or failed. */
  #unfinished = 0;

  constructor(options: { bunTestFiles: string[]; bunTestsWithout?: string }) {
    this.#files = options.bunTestFiles;
    this.#without = options.bunTestsWithout;
  }

  capabilities() {
    return { reloadEnvironment: true };
  }

  async dryRun() {
    const tests = this.#process();
    const { passed, noticed } = await tests.carryOut({ mutant: undefined, without: this.#without });
    if (noticed) return { status: "error", errorMessage: `${noticed.id}: ${noticed.message}` };
    const durations = passed.map(({ id, ms }) => [id, ms] as const).sort(([, one], [, other]) => one - other);
    writeFileSync(DURATIONS_FILE, JSON.stringify(durations));
    const all = [...new Set(passed.flatMap(({ covered }) => covered))];
    const counts = (mutants: string[]) => Object.fromEntries(mutants.map((mutant) => [mutant, 1]));
    return {
      status: "complete",
      tests: passed.map(({ id, file, ms }) => ({ id, name: id, fileName: file, timeSpentMs: ms, status: 0 })),
      mutantCoverage: {
        static: counts(tests.loaded),
        // A test that covers no mutant runs the code in another process, so any mutant may affect it.
        perTest: Object.fromEntries(
          passed.map(({ id, covered }) => [id, counts(covered.length > 0 ? covered : all)]),
        ),
      },
    };
  }

  async mutantRun(run: { activeMutant: { id: string }; testFilter?: string[]; reloadEnvironment: boolean }) {
    this.#durations ??= JSON.parse(readFileSync(DURATIONS_FILE, "utf8")) as [string, number][];
    const wanted = run.testFilter && new Set(run.testFilter);
    const limits = this.#durations.filter(([id]) => !wanted || wanted.has(id))
      .map(([id, ms]): [string, number] => [id, ms * SLOWER + SPARE_MS]);
    const isStatic = run.reloadEnvironment;
    const mutant = run.activeMutant.id;
    const order = { mutant, tests: limits.map(([id]) => id) };
    if (isStatic || this.#unfinished >= MAX_UNFINISHED || this.#tests?.hasEnded) await this.dispose();
    let outcome = await this.#process(isStatic ? mutant : undefined).carryOut(order, new Map(limits));
    if (outcome.noticed?.isStray && this.#unfinished > 0) {
      await this.dispose(); // the failure may be due to an earlier mutant
      outcome = await this.#process(undefined).carryOut(order, new Map(limits));
    }
    const { passed, noticed } = outcome;
    if (isStatic) await this.dispose();
    else if (noticed) this.#unfinished++;
    const nrOfTests = passed.length + 1;
    if (!noticed) return { status: "survived", nrOfTests };
    const { id, message, hung } = noticed;
    if (hung) return { status: "timeout", reason: `${id}: ${message}` };
    return { status: "killed", killedBy: [id], failureMessage: message, nrOfTests };
  }

  async dispose() {
    const tests = this.#tests;
    this.#tests = undefined;
    this.#unfinished = 0;
    await tests?.close();
  }

  #process(mutant?: string): TestProcess {
    return this.#tests ??= new TestProcess(this.#files, mutant);
  }
}

/** The export that Stryker expects of a plugin. */
export const strykerPlugins = [{ kind: "TestRunner", name: "bun", injectableClass: BunTestRunner }];

/** A process that runs tests, with private directories for temporary files. */
class TestProcess {
  loaded: string[] = [];
  hasEnded = false;
  readonly #child: ChildProcess;
  readonly #mark = randomBytes(8).toString("hex");
  readonly #directory = mkdtempSync(join(tmpdir(), "mutation-"));
  readonly #ended: Promise<void>;
  #stderrEnd = "";
  #onEvent: (event: TestEvent) => void = () => {};
  #onEnd: () => void = () => {};

  /** @param mutant The mutant that is active while the modules are loaded. */
  constructor(files: string[], mutant: string | undefined) {
    const command = ["bun", PROGRAM, ...files];
    // A mutant that removes the input of a task could remove /dev/null, so it is mounted. A mutant with unlimited
    // output could exhaust the memory.
    const mounts = `mount -t tmpfs -o size=${MAX_BYTES} tmpfs /dev/shm && mount --bind /dev/null /dev/null`;
    const mount = ["unshare", "--mount", "sh", "-c", `${mounts} && exec "$@"`, "sh"];
    const [program, ...args] = CAN_UNSHARE ? [...mount, ...command] : command;
    const env: Record<string, string | undefined> = {
      ...process.env,
      TMPDIR: this.#directory,
      MUTATION_RUN: this.#mark,
    };
    if (mutant !== undefined) env.__STRYKER_ACTIVE_MUTANT__ = mutant;
    const child = this.#child = spawn(program!, args, { env, detached: true });
    child.stdin!.on("error", () => {});
    child.stderr!.setEncoding("utf8").on(
      "data",
      (text: string) => this.#stderrEnd = (this.#stderrEnd + text).slice(-2_000),
    );
    createInterface({ input: child.stdout! }).on("line", (line) => {
      if (line.startsWith(EVENT)) this.#onEvent(JSON.parse(line.slice(EVENT.length)));
    });
    this.#ended = new Promise((resolve) => child.once("exit", resolve).once("error", resolve)).then(() => {
      this.hasEnded = true;
      this.#onEnd();
    });
  }

  /**
   * Runs tests until one fails or hangs.
   *
   * @param limits Time limit of each test in milliseconds; default: none.
   */
  async carryOut(order: Order, limits?: ReadonlyMap<string, number>): Promise<Outcome> {
    const outcome: Outcome = { passed: [] };
    const nowMs = () => performance.now() - waitedMs(this.#child.pid!);
    let [current, startedMs, limitMs] = ["(loading)", nowMs(), LOAD_MS];
    await new Promise<void>((resolve) => {
      let hung = false;
      const end = (message: string, isStray: boolean) => {
        outcome.noticed = { id: current, message, hung, isStray: isStray && !hung };
        clearInterval(timer);
        resolve();
      };
      const timer = setInterval(() => {
        const late = memoryOf(this.#child.pid!) > MAX_BYTES ? Infinity : limits ? nowMs() - startedMs - limitMs : 0;
        if (late > 0 && !hung) this.#child.stdin!.write(GIVE_UP + "\n");
        if (late > 0) hung = true;
        if (late > GIVE_UP_MS) kill(-this.#child.pid!);
      }, 200);
      this.#onEnd = () => end(`the process ended: ${this.#stderrEnd}`, true);
      this.#onEvent = (event) => {
        if (event.type === "loaded") this.loaded = event.covered;
        if (event.type === "failed") end(event.message, event.isStray);
        if (event.type === "passed") outcome.passed.push({ ...event, ms: Math.max(0, nowMs() - startedMs) });
        if (event.type === "begun") {
          [current, startedMs, limitMs] = [event.id, nowMs(), limits?.get(event.id) ?? Infinity];
        }
        if (event.type === "done") {
          clearInterval(timer);
          resolve();
        }
      };
      this.#child.stdin!.write(JSON.stringify(order) + "\n");
    });
    this.#onEvent = this.#onEnd = () => {};
    return outcome;
  }

  /** Kills the process and everything that its tests have started, and removes their files. */
  async close(): Promise<void> {
    if (this.#child.pid) kill(-this.#child.pid);
    await this.#ended;
    for (let pids; (pids = processesWith(`MUTATION_RUN=${this.#mark}`)).length > 0;) {
      for (const pid of pids) kill(pid);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Returns how long a process has waited for a CPU, if the system tells; this time does not count as hanging. */
function waitedMs(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, "latin1").split(" ")[1]) / 1e6;
  } catch {
    return 0;
  }
}

function memoryOf(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1]) * 4096;
  } catch {
    return 0;
  }
}

/** Returns the ids of running processes that have a variable in their environment. */
function processesWith(variable: string): number[] {
  return readdirSync("/proc").map(Number).filter((pid) => {
    if (!(pid > 0)) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(variable);
    } catch {
      return false; // the process has ended, or belongs to another user
    }
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // The process has ended.
  }
}
