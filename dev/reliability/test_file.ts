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

/** The result of running a test file. */
export interface TestRun extends TestCounts {
  output: string;
  seconds: number;
}

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
  const [program, ...args] = TEST_COMMANDS[runtime]!;
  const startedMs = performance.now();
  const child = spawn(program!, [...args, `./${path}`], {
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
  const seconds = (performance.now() - startedMs) / 1000;
  const counts = countsIn(output);
  if (status !== 0 && counts.failed === 0) counts.failed = 1; // the file failed before its tests
  return { ...counts, output, seconds };
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
