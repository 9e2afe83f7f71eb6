/**
 * Runs test files on Deno, Bun and Node: several at once, the slowest first, so that no CPU idles at the end. Prints the
 * time of each file, and the complete output of a file that fails.
 *
 *     deno run -A dev/tools/run_tests.ts [--runtimes deno,bun,node] [--jobs N] [--all] [--coverage] [--ci] [PATH...]
 *
 * A PATH is a file or folder of tests. `--all` also runs the tests that one runtime otherwise runs for all. `--coverage`
 * checks the coverage of the core on Deno. `--ci` also installs the dependencies, and runs `deno task check` beside the
 * tests.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { runProgram, TEST_COMMANDS, testFiles } from "../reliability/test_file.ts";
import { PROJECT } from "../../tests/support/helpers.ts";
import { prepareTests, reportSkippedTests } from "./prepare_tests.ts";

/** The name of a runtime. */
export type Runtime = "deno" | "bun" | "node";

/** All runtimes. */
export const RUNTIMES = ["deno", "bun", "node"] as const;

/**
 * Tests whose outcome does not depend on the runtime that runs them, with the runtime that runs them for all. The paths
 * are files, or folders that end with a slash.
 */
export const ONE_RUNTIME: Readonly<Record<string, Runtime>> = {
  // The command's words and files; other tests run the command on every runtime.
  "tests/cli/command_line_test.ts": "bun",
  "tests/cli/config_test.ts": "bun",
  "tests/cli/each/columns_test.ts": "bun",
  "tests/cli/each/gather_test.ts": "bun",
  "tests/cli/failed_test.ts": "bun",
  "tests/cli/foreign_flags_test.ts": "bun",
  "tests/cli/graph_test.ts": "bun",
  "tests/cli/help_test.ts": "bun",
  "tests/cli/man_test.ts": "bun",
  "tests/cli/results_commands_test.ts": "bun",
  "tests/cli/workflow_flags_test.ts": "bun",
  // The behavior of shells, servers, browsers and the system.
  "tests/e2e/": "bun",
  // Tools of the project.
  "tests/dev/check_layers_test.ts": "bun",
  "tests/dev/check_prose_test.ts": "bun",
  "tests/dev/check_workflows_test.ts": "bun",
  "tests/dev/run_tests_test.ts": "bun",
  "tests/dev/terminal_svg_test.ts": "bun",
  // The parts of a release, which one runtime builds or starts.
  "tests/package/executable_test.ts": "bun",
  "tests/package/jsr_test.ts": "deno",
  "tests/package/npm_install_test.ts": "node",
  "tests/package/npm_package_test.ts": "node",
  "tests/package/npm_types_test.ts": "node",
  "tests/package/permissions_test.ts": "deno",
  "tests/package/release_test.ts": "node",
  "tests/package/startup_test.ts": "node",
  // Documents, and the commands in them.
  "tests/papers/containers_test.ts": "node",
  "tests/papers/distributed_examples_test.ts": "bun",
  "tests/papers/errors_test.ts": "bun",
  "tests/papers/install_test.ts": "node",
  "tests/papers/issue_forms_test.ts": "bun",
  "tests/papers/links_test.ts": "bun",
  "tests/papers/other_languages_test.ts": "bun",
  "tests/papers/paths_test.ts": "bun",
  "tests/papers/peers_test.ts": "bun",
  "tests/papers/reference_test.ts": "bun",
};

/** The seconds that slow files take on two idle CPUs, on the slowest runtime. */
export const SLOW_FILES: Readonly<Record<string, number>> = {
  "tests/spawn_adapters/cleanup_test.ts": 60,
  "tests/e2e/peer_examples_test.ts": 55,
  "tests/e2e/nats_cli_test.ts": 45,
  "tests/e2e/report_page_test.ts": 45,
  "tests/nats/nats_test.ts": 40,
  "tests/e2e/nats_faults_test.ts": 35,
  "tests/e2e/nats_hostile_test.ts": 35,
  "tests/e2e/resources_test.ts": 35,
  "tests/e2e/small_systems_test.ts": 35,
  "tests/executors/worker_protocol_test.ts": 30,
  "tests/cli/cli_test.ts": 25,
  "tests/e2e/completions_test.ts": 25,
  "tests/e2e/faults_test.ts": 25,
  "tests/e2e/surroundings_test.ts": 25,
  "tests/isolate/task_runner_test.ts": 25,
  "tests/package/release_test.ts": 25,
  "tests/report/watch_test.ts": 25,
  "tests/telemetry/telemetry_test.ts": 25,
  "tests/package/executable_test.ts": 20,
  "tests/package/jsr_test.ts": 20,
  "tests/package/npm_install_test.ts": 20,
  "tests/package/security_test.ts": 20,
  "tests/papers/commands_test.ts": 20,
  "tests/results/resume_scale_test.ts": 20,
  "tests/e2e/nats_cluster_test.ts": 15,
  "tests/executors/executor_test.ts": 15,
  "tests/executors/shell_executor_test.ts": 15,
  "tests/executors/task_input_test.ts": 15,
  "tests/isolate/add_during_run_test.ts": 15,
  "tests/cli/streams_test.ts": 15,
  "tests/pool/start_limiter_test.ts": 15,
  "tests/spawn_adapters/spawn_adapter_test.ts": 15,
};

/** Tests that cover the core. */
const CORE = ["graph", "jsonl", "records", "pool", "results", "isolate"].map((room) => `tests/${room}/`);
const COVERAGE = ".coverage";
/** Files at once: four for each CPU, because most tests wait for a part of their time. The maximum bounds the memory. */
const JOBS = Math.min(4 * availableParallelism(), 16);

/** A program to run. */
export interface Job {
  /** Shown beside its time. */
  name: string;
  command: readonly string[];
  /** Jobs that take longer start earlier. */
  seconds: number;
  /** If true, the program writes coverage. */
  covers: boolean;
}

/** Settings of {@linkcode jobsOf}. */
export interface JobOptions {
  files: readonly string[];
  runtimes: readonly Runtime[];
  all: boolean;
  coverage: boolean;
  checks: boolean;
}

/** Returns whether a path is one of the given files, or is in one of the given folders. */
const isIn = (path: string, places: readonly string[]) =>
  places.some((place) => path === place || (place.endsWith("/") && path.startsWith(place)));

/** Returns the runtimes that run a test file. */
export function runtimesOf(file: string, all: boolean): readonly Runtime[] {
  const place = all ? undefined : Object.keys(ONE_RUNTIME).find((place) => isIn(file, [place]));
  return place === undefined ? RUNTIMES : [ONE_RUNTIME[place]!];
}

/** Returns the programs to run, the slowest first. */
export function jobsOf({ files, runtimes, all, coverage, checks }: JobOptions): Job[] {
  const jobs = files.flatMap((file) =>
    runtimesOf(file, all).filter((runtime) => runtimes.includes(runtime)).map((runtime): Job => {
      const covers = coverage && runtime === "deno" && isIn(file, CORE);
      const flags = covers ? [`--coverage=${COVERAGE}`, "--coverage-raw-data-only"] : [];
      const command = [...TEST_COMMANDS[runtime]!, ...flags, `./${file}`];
      return { name: `${runtime} ${file}`, command, seconds: SLOW_FILES[file] ?? 1, covers };
    })
  );
  if (checks) {
    for (const name of ["check:code", "check:examples"]) {
      jobs.push({ name, command: ["deno", "task", name], seconds: Infinity, covers: false });
    }
  }
  return jobs.sort((a, b) => a.seconds === b.seconds ? 0 : b.seconds - a.seconds);
}

/**
 * The programs that install the dependencies for all runtimes. They wait for the network most of their time. Deno would
 * load its dependencies before each `deno task` otherwise.
 */
const INSTALLATIONS: readonly Job[] = [
  ["npm", "ci", "--no-audit", "--no-fund"],
  ["deno", "install", "--quiet", "--frozen"],
].map((command) => ({ name: command.join(" "), command, seconds: 0, covers: false }));

/** Checks the coverage that the tests of the core have written. */
const COVERAGE_REPORT: Job = {
  name: "coverage of the core",
  command: ["deno", "task", "coverage:report"],
  seconds: 0,
  covers: false,
};

/**
 * Runs programs, `limit` at once, and `report` when all programs that write coverage have ended. Returns the names of those
 * that fail.
 */
export async function runJobs(
  jobs: readonly Job[],
  limit: number,
  env: NodeJS.ProcessEnv = {},
  report: Job = COVERAGE_REPORT,
): Promise<string[]> {
  const queue = [...jobs];
  const failed: string[] = [];
  let covering = jobs.filter(({ covers }) => covers).length;
  let ended = 0;
  const work = async () => {
    for (let job = queue.shift(); job; job = queue.shift()) {
      const { status, output, seconds } = await runProgram(job.command, env);
      const isOk = status === 0;
      console.log(`${isOk ? "ok    " : "FAILED"} ${seconds.toFixed(1).padStart(6)} s  ${job.name}`);
      if (!isOk) {
        failed.push(job.name);
        console.log(output);
      }
      if (job.covers && --covering === 0) queue.unshift(report);
      ended++;
    }
  };
  await Promise.all(Array.from({ length: limit }, work));
  console.log(`${ended - failed.length} of ${ended} ok`);
  return failed;
}

/** Settings of a command line. */
export interface Settings extends JobOptions {
  /** Files at once. */
  limit: number;
}

/**
 * Reads a command line.
 *
 * @throws an `Error` for wrong arguments.
 */
export function readSettings(args: readonly string[]): Settings {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      runtimes: { type: "string", default: RUNTIMES.join() },
      jobs: { type: "string", default: String(JOBS) },
      all: { type: "boolean", default: false },
      coverage: { type: "boolean", default: false },
      ci: { type: "boolean", default: false },
    },
  });
  const runtimes = values.runtimes.split(",").map((name) => {
    const runtime = RUNTIMES.find((runtime) => runtime === name);
    if (runtime === undefined) throw new Error(`Unknown runtime "${name}": the runtimes are ${RUNTIMES.join(", ")}`);
    return runtime;
  });
  if (!/^[1-9]\d*$/.test(values.jobs)) throw new Error(`--jobs must be a positive integer, got "${values.jobs}"`);
  const places = positionals.map((place) => place.replace(/^\.\//, ""));
  for (const place of places) {
    if (!testFiles().some((file) => isIn(file, [place]))) {
      throw new Error(`Cannot find tests at "${place}": give a test file, or a folder with a slash at its end`);
    }
  }
  const files = testFiles().filter((file) => places.length === 0 || isIn(file, places));
  const { all, ci } = values;
  return { files, runtimes, all, coverage: values.coverage || ci, checks: ci, limit: Number(values.jobs) };
}

if (import.meta.main) {
  const settings = readSettings(process.argv.slice(2));
  const jobs = jobsOf(settings);
  if (jobs.length === 0) throw new Error("Cannot run the tests: another runtime runs them for all; give --all");
  if (settings.coverage) rmSync(join(PROJECT, COVERAGE), { recursive: true, force: true });
  const directory = mkdtempSync(join(tmpdir(), "taskrunner-tests-"));
  const skipped = join(directory, "skipped");
  const env = {
    TASKRUNNER_SKIPPED_TESTS: skipped,
    // Node compiles the modules once instead of in each process.
    NODE_COMPILE_CACHE: join(PROJECT, "node_modules", ".cache", "node"),
    ...settings.all ? {} : { TASKRUNNER_LEFT_TO_BUN: "1" },
  };
  const startedMs = performance.now();
  const failed = settings.checks ? await runJobs(INSTALLATIONS, INSTALLATIONS.length) : [];
  const isPrepared = failed.length === 0 && prepareTests();
  if (isPrepared) failed.push(...await runJobs(jobs, settings.limit, env));
  const isComplete = reportSkippedTests(skipped);
  rmSync(directory, { recursive: true });
  for (const name of failed) console.log(`FAILED: ${name}`);
  console.log(`Time: ${((performance.now() - startedMs) / 1000).toFixed()} s`);
  process.exitCode = isPrepared && isComplete && failed.length === 0 ? 0 : 1;
}
