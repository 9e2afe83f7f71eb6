/** Tests that `stray_errors.ts` makes a test file fail on errors that would otherwise go unnoticed. */

import process from "node:process";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { PROJECT, RUNTIME, start } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const TEST_ARGS = { deno: ["test", "-A", "--no-check"], bun: ["test"], node: ["--test", "--test-force-exit"] }[RUNTIME];

/** Runs a test file whose only test runs a program, in the test process or in a process of its own. */
async function runWith(program: string, where: "here" | "child"): Promise<{ status: number | null; text: string }> {
  const file = join(PROJECT, "tests/fixtures/stray_errors.ts");
  // With this variable Node would report to the test runner of this file.
  const command = ["-u", "NODE_TEST_CONTEXT", process.execPath, ...TEST_ARGS, file];
  const env = { STRAY_ERROR: program, WHERE: where };
  const { status, stdout, stderr } = await start("env", command, { stdin: "", env, mayCrash: true }).ended;
  return { status, text: stdout + stderr };
}

for (const where of ["here", "child"] as const) {
  test(
    `a test file fails on an unhandled error, ${where === "here" ? "in its own process" : "in a program"}`,
    async () => {
      const programs = [
        'Promise.reject(new Error("stray"))',
        'setTimeout(() => { throw new Error("stray"); })',
      ];
      for (const program of programs) {
        const { status, text } = await runWith(program, where);
        assertEquals(status, 1, text);
        assert(text.includes("Error: stray") || text.includes("error: stray"), text);
      }
      const { status, text } = await runWith('Promise.reject(new Error("owned")).catch(() => {})', where);
      assertEquals(status, 0, text);
    },
  );
}
