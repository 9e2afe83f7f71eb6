/**
 * Runs the tests that depend on the runtime with several versions of each, and those that depend on the shell with
 * several shells as `sh`. Prints the results as a Markdown table, and the complete output of test files that fail.
 * Needs npm's registry, and the Debian packages dash, bash, busybox and mksh.
 *
 *     deno task matrix [--shells dash,bash,busybox,mksh] [--tests cli,executor] [deno@2.9.5] [bun] [node@22.18.0]
 */

import { parseArgs } from "@std/cli/parse-args";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { failedTestsIn, pathOfTest, runTestFile, type TestRun } from "./test_file.ts";

/** The oldest supported, the default and the newest version of each runtime, as npm versions. */
const VERSIONS: Readonly<Record<string, readonly string[]>> = {
  deno: ["2.9.0", "2.9.5", "latest"],
  bun: ["1.4.3", "1.4.5", "latest"],
  node: ["22.18.0", "22", "24", "latest"],
};
/** The version of each runtime to test with all shells. */
const USUAL: Readonly<Record<string, string>> = { deno: "2.9.5", bun: "1.4.5", node: "24" };
const SHELLS = ["dash", "bash", "busybox", "mksh"];

/** Tests that depend on the shell. */
const SHELL_TESTS = ["cli", "control", "control_cli", "differential", "each", "executor", "resume", "shell_executor"]
  .concat("shell_worker", "signals", "task_runner");
const OTHER_TESTS = ["bad_input", "jsonl", "package", "remote_executor", "report", "results_commands", "run"]
  .concat("spawn_adapter", "start_limiter", "statistics", "task");

const flags = parseArgs(process.argv.slice(2), { string: ["shells", "tests", "_"] }) as {
  shells?: string;
  tests?: string;
  _: string[];
};
const shells = flags.shells?.split(",") ?? SHELLS;
const runtimes = (flags._.length > 0 ? flags._ : Object.keys(VERSIONS)).flatMap((wanted) => {
  const [name, version] = wanted.split("@") as [string, string?];
  return (version === undefined ? VERSIONS[name]! : [version]).map((version) => ({ name, version }));
});

const rows: string[][] = [];
const failures: string[] = [];
const done = new Set<string>();
for (const { name, version } of runtimes) {
  const program = installed(name, version);
  const exact = execFileSync(program, ["--version"], { encoding: "utf8" }).match(/\d+\.\d+\.\d+/)![0];
  if (done.has(`${name} ${exact}`)) continue; // "latest" equals another version
  done.add(`${name} ${exact}`);
  const row = [`${name} ${exact}`];
  for (const shell of shells) {
    const isTried = shell === SHELLS[0] || flags._.length > 0 || version === USUAL[name];
    row.push(isTried ? await tryOut(name, program, shell, row[0]!) : "");
  }
  rows.push(row);
}
for (const cells of [["", ...shells], Array.from({ length: shells.length + 1 }, () => "---"), ...rows]) {
  console.log(`| ${cells.join(" | ")} |`);
}
for (const failure of failures) console.log(`\n- ${failure}`);
process.exit(failures.length > 0 ? 1 : 0);

/** Downloads a version of a runtime with npm and returns the path of its executable. */
function installed(name: string, version: string): string {
  const script = name === "deno" ? "deno eval -p 'Deno.execPath()'" : `${name} -p process.execPath`;
  return execFileSync("npx", ["-y", "-p", `${name}@${version}`, "-c", script], { encoding: "utf8" }).trim();
}

/** Runs the tests with a runtime and a shell; returns a short summary. */
async function tryOut(name: string, program: string, shell: string, label: string): Promise<string> {
  const tests = flags.tests?.split(",") ?? [...SHELL_TESTS, ...(shell === SHELLS[0] ? OTHER_TESTS : [])];
  const directory = mkdtempSync(join(tmpdir(), "taskrunner-matrix-"));
  const sum = { passed: 0, failed: 0, returnedEarly: 0, seconds: 0 };
  try {
    symlinkSync(program, join(directory, name));
    symlinkSync(pathOf(shell), join(directory, "sh")); // busybox selects the applet by its name
    const env = { PATH: `${directory}${delimiter}${process.env["PATH"]}` };
    for (const test of tests) {
      const run = await runTestFile(name, pathOfTest(test), env);
      for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += run[key];
      if (run.failed > 0) {
        console.error(run.output); // a rare failure must be diagnosed from its output
        failures.push(describe(run, `${label}, ${shell}, ${test}_test.ts`));
      }
      console.error(
        `${label}, ${shell}, ${test}: ${run.passed}/${run.passed + run.failed}, ${run.seconds.toFixed()} s`,
      );
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
  const early = sum.returnedEarly > 0 ? `, ${sum.returnedEarly} not tried` : "";
  console.error(`${label}, ${shell}: ${sum.seconds.toFixed()} s`);
  return `${sum.passed - sum.returnedEarly} passed, ${sum.failed} failed${early}`;
}

function pathOf(shell: string): string {
  return execFileSync("sh", ["-c", 'command -v "$0"', shell], { encoding: "utf8" }).trim();
}

function describe({ output }: TestRun, where: string): string {
  return `${where}: ${failedTestsIn(output).join("; ") || "no failed test is named, see its output"}`;
}
