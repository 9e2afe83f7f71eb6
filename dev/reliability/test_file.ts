/** Runs test files on any runtime and counts their tests. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { PROJECT } from "../../tests/support/helpers.ts";

/** The command with which each runtime runs a test file, whose path is to be appended. */
export const TEST_COMMANDS: Readonly<Record<string, readonly string[]>> = {
  deno: ["deno", "test", "-A", "--no-check"],
  bun: ["bun", "test", "--timeout", "600000"],
  node: ["node", "--test", "--test-force-exit", "--test-reporter=tap"],
};

/** Counts of tests by outcome. */
export interface TestCounts {
  passed: number;
  failed: number;
  /** Tests among the passed ones that returned early, because something that they need is missing. */
  returnedEarly: number;
}

/** The result of running a program. */
export interface ProgramRun {
  /** The exit status, or `null` after a signal. */
  status: number | null;
  /** Both outputs, in the order in which they arrived. */
  output: string;
  seconds: number;
}

/** The result of running a test file. */
export interface TestRun extends TestCounts, ProgramRun {}

/** Returns the paths of all test files, relative to the project. */
export function testFiles(): string[] {
  const names = readdirSync(join(PROJECT, "tests"), { recursive: true, encoding: "utf8" });
  return names.filter((name) => name.endsWith("_test.ts")).map((name) => `tests/${name}`).sort();
}

/** Returns the path of a test file for its name, such as `runner`, `runner_test.ts` or the path. */
export function pathOfTest(name: string): string {
  const ending = `/${basename(name).replace(/(_test)?([.]ts)?$/, "")}_test.ts`;
  const path = testFiles().find((path) => path.endsWith(ending));
  if (path === undefined) throw new Error(`There is no test file ${name}`);
  return path;
}

/** Runs a test file with additional environment variables. Aborting `signal` kills its process group. */
export async function runTestFile(
  runtime: string,
  path: string,
  env: NodeJS.ProcessEnv = {},
  signal?: AbortSignal,
): Promise<TestRun> {
  const run = await runProgram([...TEST_COMMANDS[runtime]!, `./${path}`], env, signal);
  const counts = countsIn(run.output);
  if (run.status !== 0 && counts.failed === 0) counts.failed = 1; // the file failed before its tests
  return { ...counts, ...run };
}

/**
 * Runs a program in the project with additional environment variables. Aborting `signal` kills its process group.
 *
 * @throws an `Error` if the program cannot start.
 */
export async function runProgram(
  [program, ...args]: readonly string[],
  env: NodeJS.ProcessEnv = {},
  signal?: AbortSignal,
): Promise<ProgramRun> {
  const startedMs = performance.now();
  const child = spawn(program!, args, {
    cwd: PROJECT,
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: signal !== undefined, // a separate process group, to kill as a whole
  });
  const end = () => process.kill(-child.pid!, "SIGKILL");
  signal?.addEventListener("abort", end);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => output += text);
  const [status] = await once(child, "close");
  signal?.removeEventListener("abort", end);
  return { status, output, seconds: (performance.now() - startedMs) / 1000 };
}

/** Parses the counts from the end of a runtime's output. */
export function countsIn(output: string): TestCounts {
  const last = (pattern: RegExp) => Number([...output.matchAll(pattern)].at(-1)?.[1] ?? 0);
  return {
    passed: last(/(?:^# pass (?=\d+$)|^ (?=\d+ pass$)|\| (?=\d+ passed ))(\d+)/gm),
    failed: last(/(?:^# fail (?=\d+$)|^ (?=\d+ fail$)|\| (?=\d+ failed ))(\d+)/gm) + last(/^# cancelled (\d+)$/gm),
    returnedEarly: [...output.matchAll(/^(?:# )?Skipped: /gm)].length,
  };
}

/** Parses the names of failed tests from a runtime's output. */
export function failedTestsIn(output: string): string[] {
  const names = output.matchAll(
    /^(?:not ok \d+ - (.*)|\(fail\) (.*?)(?: \[[\d.]+m?s\])?|(\S.*?) => .*_test\.ts:\d+:\d+)$/gm,
  );
  return [...new Set([...names].map(([, node, bun, deno]) => (node ?? bun ?? deno)!))];
}
