import process from "node:process";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { PROJECT, RUNTIME, start } from "../support/helpers.ts";
import { test, TIMEOUT } from "../support/test.ts";

const TEST_ARGS = { deno: ["test", "-A", "--no-check"], bun: ["test"], node: ["--test", "--test-force-exit"] }[RUNTIME];

test("test() fails a test after its timeout, and skips a test", async () => {
  const file = join(PROJECT, "tests/fixtures/hanging.ts");
  // Otherwise Node would report to the runner of this file.
  const command = ["-u", "NODE_TEST_CONTEXT", process.execPath, ...TEST_ARGS, file];
  const { status, stdout, stderr } = await start("env", command, { stdin: "", mayCrash: true }).ended;
  const text = stdout + stderr;
  assertEquals([status, text.includes("the skipped test ran")], [1, false], text);
  assert(/a test that hangs/.test(text) && /timed out|timeout/i.test(text), text);
});

test("test() gives its context to the function, and has a default timeout", (context) => {
  assertEquals([typeof context, TIMEOUT.timeout], ["object", 600_000]);
});
