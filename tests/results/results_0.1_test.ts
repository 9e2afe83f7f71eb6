/** Version 0.1 of the command wrote `results_0.1.jsonl`; later versions must read it. */

import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertStringIncludes } from "@std/assert/string-includes";
import { OUTCOMES, parseResult, type TaskResult } from "../../records/result.ts";
import { ResultsFile } from "../../results/results_file.ts";
import { readTasks } from "../../records/read_tasks.ts";
import {
  byteStream,
  collect,
  parseResults,
  PROJECT,
  startTaskrunner,
  taskFile,
  withTempDirectory,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

const RESULTS = join(PROJECT, "tests/fixtures/results_0.1.jsonl");
const TASKS = join(PROJECT, "tests/fixtures/tasks_0.1.jsonl");

/** Calls a function with a copy of the results. */
const withCopy = (use: (path: string, directory: string) => Promise<void>) =>
  withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    await copyFile(RESULTS, path);
    await use(path, directory);
  });

const readFixtureTasks = async () => await collect(readTasks(byteStream(await readFile(TASKS))));

/** The fields that later versions added. */
type LaterField = "cmd" | "earlierAttempts" | "after" | "uses" | "slots";

test("the results of 0.1 have every outcome and every field that 0.1 had", async () => {
  const results = parseResults(await readFile(RESULTS, "utf8"));
  assertEquals(new Set(results.map(({ outcome }) => outcome)), new Set(OUTCOMES.filter((name) => name !== "skipped")));
  const names = new Set(results.flatMap((result) => Object.keys(parseResult(result))));
  const all: Required<Record<Exclude<keyof TaskResult, LaterField>, true>> = {
    ...{ id: true, status: true, outcome: true, signal: true, error: true, attempts: true, slot: true, worker: true },
    ...{ startedAt: true, durationMs: true, userMs: true, systemMs: true, cmdHash: true, meta: true },
    ...{ stdout: true, stdoutEncoding: true, stdoutBytes: true, stdoutFile: true },
    ...{ stderr: true, stderrEncoding: true, stderrBytes: true, stderrFile: true },
  };
  assertEquals(names, new Set(Object.keys(all)));
});

test("ResultsFile reads the results of 0.1", async () => {
  const tasks = await readFixtureTasks();
  await withCopy(async (path) => {
    const file = await ResultsFile.open(path, { resume: true });
    assertEquals([file.size, file.repairedBytes], [tasks.length, 0]);
    assertEquals((await collect(file.remaining(tasks))).map(({ id }) => id), ["canceled"]);
    assertEquals(file.changed.size, 0);
    const edited = tasks.map((task) => ({ ...task, cmd: "true edited" }));
    assertEquals((await collect(file.remaining(edited))).length, 1);
    assertEquals(file.changed.size, tasks.length - 1);
    await file.close();
    const retrying = await ResultsFile.open(path, { resume: true, retryFailed: true });
    const notOk = parseResults(await readFile(path, "utf8")).filter(({ outcome }) => outcome !== "ok");
    assertEquals(
      new Set((await collect(retrying.remaining(tasks))).map(({ id }) => id)),
      new Set(notOk.map(({ id }) => id)),
    );
    await retrying.close();
    assertEquals(await readFile(path, "utf8"), await readFile(RESULTS, "utf8"));
  });
});

test("--resume on the results of 0.1 runs nothing again", async () => {
  const tasks = (await readFixtureTasks()).filter(({ id }) => id !== "canceled");
  await withCopy(async (path, directory) => {
    const { status, stderr } = await startTaskrunner([await taskFile(directory, tasks), "-o", path, "--resume"], {
      stdin: "",
    }).ended;
    assertEquals(status, 0, stderr);
    assertMatch(stderr, /^taskrunner: 0 tasks in [^\n]*; 26 had a result\n$/);
    assertEquals(await readFile(path, "utf8"), await readFile(RESULTS, "utf8"));
  });
});

test("stats, trace and report read the results of 0.1", async () => {
  const ask = (...args: string[]) => startTaskrunner(args, { stdin: "" }).ended;
  const stats = await ask("stats", RESULTS, "--json");
  assertEquals([stats.status, stats.stderr], [0, ""]);
  const { results, outcomes, attempts, retried } = JSON.parse(stats.stdout);
  const counts = { ok: 18, failed: 3, "not-started": 2, killed: 1, timeout: 1, "output-limit": 1, canceled: 1 };
  assertEquals({ results, outcomes, attempts, retried }, { results: 27, outcomes: counts, attempts: 31, retried: 3 });
  const trace = await ask("trace", RESULTS);
  assertEquals([trace.status, trace.stderr], [0, ""]);
  const names = JSON.parse(trace.stdout).traceEvents.filter(({ ph }: { ph: string }) => ph === "X").map(
    ({ name }: { name: string }) => name,
  );
  const ids = parseResults(await readFile(RESULTS, "utf8")).map(({ id }) => id);
  assertEquals([...names].sort(), [...ids].sort());
  await withTempDirectory(async (directory) => {
    const page = join(directory, "report.html");
    const report = await ask("report", RESULTS, "-o", page);
    assertEquals([report.status, report.stderr], [0, ""]);
    const text = await readFile(page, "utf8");
    assertStringIncludes(text, "results_0.1.jsonl");
  });
});
