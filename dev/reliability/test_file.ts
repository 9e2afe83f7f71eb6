/** Runs a file of tests on any runtime, and counts. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { PROJECT } from "../../tests/support/helpers.ts";

/** How each runtime runs a file of tests, which stands last. */
export const TEST_COMMANDS: Readonly<Record<string, readonly string[]>> = {
  deno: ["deno", "test", "-A", "--no-check"],
  bun: ["bun", "test", "--timeout", "600000"],
  node: ["node", "--test", "--test-force-exit", "--test-reporter=tap"],
};

/** What became of the tests of a file. */
export interface TestCounts {
  passed: number;
  failed: number;
  /** Of those that passed: what they need is not there, so they have tried nothing. */
  returnedEarly: number;
}

/** All that a run of a file has given. */
export interface TestRun extends TestCounts {
  output: string;
  seconds: number;
}

/** The files of tests, by their paths in the project. */
export function testFiles(): string[] {
  const names = readdirSync(join(PROJECT, "tests"), { recursive: true, encoding: "utf8" });
  return names.filter((name) => name.endsWith("_test.ts")).map((name) => `tests/${name}`).sort();
}

/** The path of a file of tests by its name, such as `runner`, `runner_test.ts` or the path itself. */
export function pathOfTest(name: string): string {
  const ending = `/${basename(name).replace(/(_test)?([.]ts)?$/, "")}_test.ts`;
  const path = testFiles().find((path) => path.endsWith(ending));
  if (path === undefined) throw new Error(`There are no tests ${name}`);
  return path;
}

/** Runs a file of tests, by its path, with additional environment variables. Aborting the signal kills its process group. */
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
    detached: signal !== undefined, // a process group of its own, which can be ended as a whole
  });
  const end = () => process.kill(-child.pid!, "SIGKILL");
  signal?.addEventListener("abort", end);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => output += text);
  const [status] = await once(child, "close");
  signal?.removeEventListener("abort", end);
  const seconds = (performance.now() - startedMs) / 1000;
  const counts = countsIn(output);
  if (status !== 0 && counts.failed === 0) counts.failed = 1; // it did not even come to its tests
  return { ...counts, output, seconds };
}

/** Reads the counts at the end of what the three runtimes say. */
export function countsIn(output: string): TestCounts {
  const last = (pattern: RegExp) => Number([...output.matchAll(pattern)].at(-1)?.[1] ?? 0);
  return {
    passed: last(/(?:^# pass (?=\d+$)|^ (?=\d+ pass$)|\| (?=\d+ passed ))(\d+)/gm),
    failed: last(/(?:^# fail (?=\d+$)|^ (?=\d+ fail$)|\| (?=\d+ failed ))(\d+)/gm) + last(/^# cancelled (\d+)$/gm),
    returnedEarly: [...output.matchAll(/^(?:# )?Skipped: /gm)].length,
  };
}

/** The names of tests that failed, as the three runtimes say them. */
export function failedTestsIn(output: string): string[] {
  const names = output.matchAll(
    /^(?:not ok \d+ - (.*)|\(fail\) (.*?)(?: \[[\d.]+m?s\])?|(\S.*?) => .*_test\.ts:\d+:\d+)$/gm,
  );
  return [...new Set([...names].map(([, node, bun, deno]) => (node ?? bun ?? deno)!))];
}
