import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import { EXECUTORS } from "../../executors/mod.ts";
import { driftOf } from "../../dev/reliability/flatness.ts";
import { checkResults, exitStatusAfter } from "../../dev/reliability/ledger.ts";
import { FLAGS, type KindName, KINDS, tasksOf } from "../../dev/reliability/mixture.ts";
import { Sampler } from "../../dev/reliability/sampler.ts";
import { countsIn, failedTestsIn } from "../../dev/reliability/test_file.ts";
import { jsonLines, PROJECT, resultWith, withTempDirectory } from "../support/helpers.ts";
import { Sandbox } from "../support/sandbox.ts";
import { test } from "../support/test.ts";

test("driftOf() finds a steady growth, but neither a warm-up nor a peak", () => {
  const samples = (value: (index: number) => number) => Array.from({ length: 100 }, (_, index) => value(index));
  const tolerance = { part: 0.1, min: 2 };
  assertEquals(driftOf(samples((index) => 50 + index), tolerance), { before: 87, after: 137, isFlat: false });
  assertEquals(driftOf(samples((index) => 50 - index / 2), tolerance).isFlat, true);
  const warmUp = samples((index) => Math.min(index, 20) + index % 7);
  assertEquals(driftOf(warmUp, tolerance), { before: 23, after: 23, isFlat: true });
  assertEquals(driftOf(samples((index) => index === 90 ? 1_000 : 10), tolerance).isFlat, true);
  assertEquals(driftOf(samples((index) => index < 75 ? 10 : 13), tolerance).isFlat, false);
  assertEquals(driftOf(samples((index) => index < 75 ? 10 : 12), tolerance).isFlat, true);
  assertThrows(() => driftOf([1, 2, 3], tolerance), Error, "3 samples are too few");
});

test("every kind of task has the result that the soak expects", async () => {
  for (const executor of EXECUTORS) {
    await Sandbox.with(async (sandbox) => {
      const all = Object.fromEntries(Object.keys(KINDS).map((name) => [name, 1]));
      const task = tasksOf(all, executor);
      const tasks = Array.from({ length: 60 }, (_, index) => task(index + 1));
      const { child, ended } = await sandbox.run(tasks, ["-j4", "--executor", executor, ...FLAGS]);
      const sampler = new Sampler(sandbox, child.pid!, 20);
      const { status } = await ended;
      sampler.stop();
      const { failures } = await checkResults(sandbox.output, tasks.length);
      assertEquals(status, exitStatusAfter(failures));
      await sandbox.waitForCleanup();
      const kinds = new Set(tasks.map(({ id }) => id.split(" ")[1] as KindName));
      assertEquals(kinds.size, executor === "shell" ? Object.keys(KINDS).length : Object.keys(KINDS).length - 1);
      const last = sampler.samples.at(-1)!;
      for (const [name, value] of Object.entries(last)) assert(value > 0 || name === "temporaryFiles", name);
      assert(last.tasks <= tasks.length && last.processes >= 1 && last.treeMiB >= last.memoryMiB);
    });
  }
});

test("checkResults() rejects a missing, duplicate, truncated or unexpected result", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    const check = async (text: string) => {
      await writeFile(path, text);
      return await checkResults(path, 2);
    };
    const one = resultWith({ id: "1 plain", stdout: "1\n" });
    const two = resultWith({ id: "2 fails", outcome: "failed", status: 3, stdout: "" });
    const canceled = resultWith({ id: "2 fails", outcome: "canceled", status: null });
    assertEquals(await check(jsonLines([canceled, two, one])), {
      outcomes: { canceled: 1, failed: 1, ok: 1 },
      failures: 1,
    });
    await assertRejects(() => check(jsonLines([one])), Error, "Task 2 has no result");
    await assertRejects(() => check(jsonLines([one, canceled])), Error, "Task 2 has no result");
    await assertRejects(() => check(jsonLines([one, two, one])), Error, "1 plain has two results");
    await assertRejects(
      () => check(jsonLines([one, two, resultWith({ id: "3 plain", stdout: "3\n" })])),
      Error,
      "Unexpected result for 3 plain",
    );
    await assertRejects(() => check(jsonLines([one, { ...two, status: 4 }])), Error, "status should be 3");
    await assertRejects(() => check(jsonLines([one, two]).slice(0, -5)), Error, "Line 2");
  });
});

test("countsIn() and failedTestsIn() parse the test report of each runtime", async () => {
  for (const runtime of ["deno", "bun", "node"]) {
    const report = await readFile(join(PROJECT, "tests", "fixtures", "test_reports", `${runtime}.txt`), "utf8");
    assertEquals([runtime, countsIn(report), failedTestsIn(report)], [
      runtime,
      { passed: 2, failed: 1, returnedEarly: 1 },
      ["it fails"],
    ]);
  }
});
