/** Tests the choice and the order of the tests that CI runs, and the report of those that fail. */

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import { testFiles } from "../../dev/reliability/test_file.ts";
import {
  type Job,
  jobsOf,
  ONE_RUNTIME,
  readSettings,
  runJobs,
  RUNTIMES,
  runtimesOf,
  SLOW_FILES,
} from "../../dev/tools/run_tests.ts";
import { PROJECT, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const OPTIONS = { runtimes: RUNTIMES, all: false, coverage: false, checks: false };

/** Calls a function, and returns what it writes to the console. */
async function consoleOf(action: () => Promise<unknown>): Promise<string> {
  const { log } = console;
  let text = "";
  console.log = (line: string) => void (text += `${line}\n`);
  try {
    await action();
  } finally {
    console.log = log;
  }
  return text;
}

test("the tables of run_tests.ts name existing tests", () => {
  const missing = [...Object.keys(ONE_RUNTIME), ...Object.keys(SLOW_FILES)].filter((path) =>
    !existsSync(join(PROJECT, path))
  );
  assertEquals(missing, []);
});

test("a file with tests for one runtime only is run on that runtime", async () => {
  let restrictions = 0;
  for (const file of testFiles()) {
    const text = await readFile(join(PROJECT, file), "utf8");
    for (const [, runtime] of text.matchAll(/^if \(RUNTIME === "(\w+)"\)/gm)) {
      assert(runtimesOf(file, false).some((name) => name === runtime), `${file} needs ${runtime}`);
      restrictions++;
    }
  }
  assert(restrictions > 10, `${restrictions}`);
});

test("jobsOf() runs every file, on one runtime or on all, the slowest first", () => {
  const files = testFiles();
  const jobs = jobsOf({ ...OPTIONS, files });
  assertEquals(new Set(jobs.map(({ command }) => command.at(-1))), new Set(files.map((file) => `./${file}`)));
  assertEquals(
    jobs.filter(({ name }) => name.includes(" tests/e2e/")).every(({ command }) => command[0] === "bun"),
    true,
  );
  const seconds = jobs.map((job) => job.seconds);
  assertEquals(seconds, seconds.toSorted((a, b) => b - a));
  assertEquals(jobsOf({ ...OPTIONS, files, all: true }).length, 3 * files.length);
  assertEquals(jobsOf({ ...OPTIONS, files, all: true, runtimes: ["node"] }).length, files.length);
});

test("jobsOf() adds the checks at the start, and coverage to the core on Deno", () => {
  const files = ["tests/pool/run_test.ts", "tests/text/format_test.ts"];
  const jobs = jobsOf({ ...OPTIONS, files, coverage: true, checks: true });
  assertEquals(jobs.slice(0, 2).map(({ name }) => name), ["check:code", "check:examples"]);
  assertEquals(jobs.filter(({ covers }) => covers).map(({ name }) => name), ["deno tests/pool/run_test.ts"]);
});

test("runJobs() runs all programs, prints the output of those that fail, and returns their names", async () => {
  const job = (name: string, script: string): Job => {
    return { name, command: ["sh", "-c", script], seconds: 1, covers: false };
  };
  const jobs = [job("a", "echo fine"), job("b", "echo wrong; exit 3"), job("c", "kill -9 $$"), job("d", "echo $ADDED")];
  let failed: string[] = [];
  const text = await consoleOf(async () =>
    failed = await runJobs([...jobs, job("e", "echo $ADDED; exit 1")], 2, { ADDED: "here" })
  );
  assertEquals(failed.sort(), ["b", "c", "e"]);
  assertEquals(["fine", "wrong", "here"].map((word) => text.split("\n").filter((line) => line === word).length), [
    0,
    1,
    1,
  ]);
  assert(text.endsWith("2 of 5 ok\n"), text);
});

test("runJobs() runs the report when the programs that write coverage have ended", async () => {
  await withTempDirectory(async (directory) => {
    const job = (name: string, script: string, covers: boolean): Job => {
      return { name, command: ["sh", "-c", script, directory], seconds: 1, covers };
    };
    const jobs = [job("a", "echo a > $0/a", true), job("b", "exit 0", false), job("c", "echo c > $0/c", true)];
    const report = job("report", "cat $0/a $0/c > $0/report", false);
    const text = await consoleOf(async () => assertEquals(await runJobs(jobs, 2, {}, report), []));
    assertEquals(await readFile(join(directory, "report"), "utf8"), "a\nc\n");
    assert(text.endsWith("4 of 4 ok\n"), text);
  });
});

test("readSettings() selects files by their paths and folders, and rejects wrong arguments", () => {
  const { files, runtimes, limit } = readSettings(["./tests/pool/", "tests/text/format_test.ts", "--runtimes", "node"]);
  assert(files.length > 10 && files.every((file) => /^tests\/(pool\/|text\/format_test)/.test(file)), files.join());
  assertEquals([runtimes, limit > 0], [["node"], true]);
  assertEquals(readSettings([]).files, testFiles());
  const { coverage, checks } = readSettings(["--ci"]);
  assertEquals([coverage, checks], [true, true]);
  for (const args of [["--runtimes", "nodejs"], ["--jobs", "0"], ["--jobs", "x"], ["tests/nowhere/"], ["--al"]]) {
    assertThrows(() => readSettings(args), Error);
  }
});
