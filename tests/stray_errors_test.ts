/** What would pass unseen if these failed: see `stray_errors.ts`. */

import process from "node:process";
import { test } from "node:test";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { PROJECT, RUNTIME, start, TIMEOUT } from "./helpers.ts";

const TEST_ARGS = { deno: ["test", "-A", "--no-check"], bun: ["test"], node: ["--test", "--test-force-exit"] }[RUNTIME];

/** Runs a file with a test in which a program runs, in its own process or in another one. */
async function runWith(program: string, where: "here" | "child"): Promise<{ status: number | null; text: string }> {
  const file = join(PROJECT, "tests/fixtures/stray_errors.ts");
  // Else Node would take it for a part of this file.
  const command = ["-u", "NODE_TEST_CONTEXT", process.execPath, ...TEST_ARGS, file];
  const env = { STRAY_ERROR: program, WHERE: where };
  const { status, stdout, stderr } = await start("env", command, { stdin: "", env, mayCrash: true }).ended;
  return { status, text: stdout + stderr };
}

for (const where of ["here", "child"] as const) {
  test(`a file of tests fails because of an error that reaches nobody: ${where}`, TIMEOUT, async () => {
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
  });
}
