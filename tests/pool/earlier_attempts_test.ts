/** The attempts of a task before its last one, in the result. */

import { Buffer } from "node:buffer";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { type EarlierAttempt, parseResult, run, type RunOptions, type TaskResult } from "../../mod.ts";
import type { Output } from "../../pool/executor.ts";
import { MAX_EARLIER_ATTEMPTS } from "../../records/result.ts";
import { FakeExecutor, type FakeResult, TERMINATED } from "../support/fake_executor.ts";
import { collect, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Runs a task whose attempts end with the given results. */
async function runAttempts(results: readonly FakeResult[], options: RunOptions = {}): Promise<TaskResult> {
  const executor = new FakeExecutor();
  executor.onStart = (execution) => execution.end(results[execution.attempt.number - 1]!);
  const [result] = await collect(run([{ id: "a", cmd: "x" }], { executor, retry: results.length - 1, ...options }));
  return parseResult(result);
}

/** Returns the end of the standard error of an attempt, as its earlier attempt has it. */
async function endOf(stderr: Output): Promise<Pick<EarlierAttempt, "stderrEnd" | "stderrEndEncoding">> {
  const { earlierAttempts } = await runAttempts([{ status: 1, stderr }, {}]);
  const { stderrEnd, stderrEndEncoding } = earlierAttempts![0]!;
  return { stderrEnd, ...(stderrEndEncoding && { stderrEndEncoding }) };
}

test("a result has the earlier attempts of its task, the oldest first", async () => {
  const place = { slot: 7, startedAt: "2026-01-02T03:04:05.678Z", worker: { host: "b", pid: 3 } };
  const { attempts, outcome, earlierAttempts } = await runAttempts([
    { status: 3, stderr: { text: "first\n" }, userMs: 1.5, systemMs: 0.25, durationMs: 10.00049 },
    { ending: TERMINATED, place },
    { ending: { kind: "lost", reason: "The worker is gone" } },
    {},
  ]);
  assertEquals([attempts, outcome], [4, "ok"]);
  const [failed, signaled, lost, ...more] = earlierAttempts!;
  const { startedAt, ...rest } = failed!;
  assert(Math.abs(Date.parse(startedAt) - Date.now()) < 3_600_000);
  assertEquals(rest, {
    ...{ outcome: "failed", status: 3, slot: 1, durationMs: 10, userMs: 1.5, systemMs: 0.25, stderrEnd: "first\n" },
  });
  assertEquals(signaled, {
    ...{ outcome: "killed", status: 143, signal: "SIGTERM", ...place, durationMs: 1, stderrEnd: "" },
  });
  assertEquals([lost!.outcome, lost!.status, lost!.error, more], ["killed", null, "The worker is gone", []]);
});

test("a result after a single attempt has no earlier attempts", async () => {
  assertEquals("earlierAttempts" in await runAttempts([{ status: 1 }]), false);
});

test("a result lists the latest of many earlier attempts", async () => {
  const count = 250;
  const results = Array.from({ length: count }, (_, index) => ({ status: 1, durationMs: index }));
  const { attempts, earlierAttempts } = await runAttempts(results);
  assertEquals([attempts, earlierAttempts!.length], [count, MAX_EARLIER_ATTEMPTS]);
  assertEquals(earlierAttempts!.map(({ durationMs }) => durationMs), [
    ...Array.from({ length: MAX_EARLIER_ATTEMPTS }, (_, index) => count - 1 - MAX_EARLIER_ATTEMPTS + index),
  ]);
});

test("an earlier attempt has the last 2 KiB of its standard error", async () => {
  assertEquals(await endOf({ text: "é\n" }), { stderrEnd: "é\n" });
  assertEquals(await endOf({ text: `${"x".repeat(2_048)}end` }), { stderrEnd: `${"x".repeat(2_045)}end` });
  for (const character of ["é", "€", "😀"]) {
    const bytes = Buffer.byteLength(character);
    const { stderrEnd, stderrEndEncoding } = await endOf({
      text: `${character.repeat(2_000)}${"x".repeat(bytes - 1)}`,
    });
    assertEquals(stderrEndEncoding, undefined);
    assertEquals(stderrEnd, `${character.repeat(Math.floor((2_048 - bytes + 1) / bytes))}${"x".repeat(bytes - 1)}`);
  }
  const base64 = (bytes: number[]) => Buffer.from(bytes).toString("base64");
  assertEquals(await endOf({ text: base64([0xff, 0x61]), encoding: "base64" }), {
    stderrEnd: base64([0xff, 0x61]),
    stderrEndEncoding: "base64",
  });
  // Only the end matters.
  const long = Buffer.concat([Buffer.from([0xff]), Buffer.from("a".repeat(3_000))]).toString("base64");
  assertEquals(await endOf({ text: long, encoding: "base64" }), { stderrEnd: "a".repeat(2_048) });
  // Bytes that could continue a character are no reason to drop all of them.
  assertEquals(await endOf({ text: base64([0x80, 0x80]), encoding: "base64" }), {
    stderrEnd: base64([0x80, 0x80]),
    stderrEndEncoding: "base64",
  });
  const continuations = new Array(2_048).fill(0x80);
  assertEquals((await endOf({ text: base64(continuations), encoding: "base64" })).stderrEnd, base64(continuations));
});

test("an earlier attempt has the end of a large standard error from its file", async () => {
  await withTempDirectory(async (directory) => {
    const file = join(directory, "a.stderr");
    await writeFile(file, `${"x".repeat(10_000)}the end\n`);
    assertEquals(await endOf({ text: "xx", bytes: 10_008, file }), { stderrEnd: `${"x".repeat(2_040)}the end\n` });
    assertEquals(await endOf({ text: "start", bytes: 10_008, file: join(directory, "none") }), { stderrEnd: "start" });
    assertEquals(await endOf({ text: "start", bytes: 10_008 }), { stderrEnd: "start" });
  });
});

for (const executor of ["shell", "process"] as const) {
  test(`with the ${executor} executor, a result has the earlier attempts of its task`, async () => {
    await withTempDirectory(async (spillDir) => {
      const cmd = 'echo "error $TASKRUNNER_ATTEMPT" >&2; [ "$TASKRUNNER_ATTEMPT" -gt 2 ] || kill -TERM $$';
      const tasks = [{ id: "a", cmd }];
      for (const maxInlineBytes of [1_000, 3]) {
        const [result] = await collect(run(tasks, { executor, retry: 5, maxInlineBytes, spillDir }));
        assertEquals(
          parseResult(result).earlierAttempts!.map(({ outcome, signal, stderrEnd }) => [outcome, signal, stderrEnd]),
          [["killed", "SIGTERM", "error 1\n"], ["killed", "SIGTERM", "error 2\n"]],
        );
      }
    });
  });
}
