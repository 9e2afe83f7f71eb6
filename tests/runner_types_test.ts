/** Types of `run` and `TaskRunner`, and diagnostics of the compiler for programs that use them. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { PROJECT, RUNTIME, start, withTempDirectory } from "./support/helpers.ts";
import { test } from "./support/test.ts";

const IMPORT = `import { run, type RunOptions, type Task, TaskRunner } from "${
  pathToFileURL(join(PROJECT, "mod.ts"))
}";`;

/** Mistakes, each in a line of its own, with the column and the text of the diagnostic. */
const MISTAKES: readonly [code: string, at: string, text: string][] = [
  ['run([{ cmd: "x", timeoutms: 5 }]);', "timeoutms", unknown("timeoutms", "Task<unknown>", "timeoutMs")],
  ['run([{ cmd: "x" }, { cmd: "y", timeoutMs: "5" }], {});', "timeoutMs", wrongType("string", "number")],
  ['run([{ cmdd: "x" }]);', "cmdd", unknown("cmdd", "Task<unknown>", "cmd")],
  ["run([{ cmd: 5 }]);", "cmd", wrongType("number", "string | readonly string[]")],
  ['run([{ cmd: "x", cwd: 5 }]);', "cwd", wrongType("number", "string | URL | undefined")],
  ['run([{ cmd: "x", env: { A: 1 } }]);', "A:", wrongType("number", "string")],
  ['run(["echo hi"]);', '"echo', wrongType("string", "Task<unknown>")],
  ['run<{ a: number }>([{ cmd: "x", meta: { a: "1" } }]);', 'a: "1"', wrongType("string", "number")],
  ['run([{ cmd: "x" }], { concurency: 2 });', "concurency", unknown("concurency", "RunOptions", "concurrency")],
  ['run([{ cmd: "x" }], { retry: { limt: 2 } });', "limt", unknown("limt", "RetryOptions", "limit")],
  ['run([{ cmd: "x" }], { retry: { on: ["ok"] } });', '"ok"', wrongType('"ok"', "RetryOutcome")],
  ['run([{ cmd: "x" }], { halt: "now,fail=1" });', "halt", wrongType("string", "Halt | undefined")],
  ['run([{ cmd: "x" }], { halt: { count: 1, percent: 2 } });', "percent", wrongType("number", "undefined")],
  ['new TaskRunner().add({ cmd: "x", timeout: 1 });', "timeout", unknown("timeout", "Task<unknown>", "timeoutMs")],
  ['export const task: Task<string> = { cmd: "x", meta: 1 };', "meta", wrongType("number", "string")],
];

function unknown(field: string, type: string, near: string): string {
  const text = `Object literal may only specify known properties, but '${field}' does not exist in type '${type}'.`;
  return `${text} Did you mean to write '${near}'?`;
}

function wrongType(given: string, expected: string): string {
  return `Type '${given}' is not assignable to type '${expected}'.`;
}

async function check(path: string): Promise<{ status: number | null; stderr: string }> {
  const args = ["check", "--quiet", "--config", join(PROJECT, "deno.json"), path];
  return await start(process.execPath, args, { stdin: "", env: { NO_COLOR: "1" } }).ended;
}

// The compiler does not depend on the runtime, and only Deno has it built in.
if (RUNTIME === "deno") {
  test("run() and TaskRunner infer the type of meta", async () => {
    const { status, stderr } = await check(join(PROJECT, "tests", "fixtures", "inferred_meta.ts"));
    assertEquals([status, stderr], [0, ""]);
  });

  test("run() with a wrong field in a literal gives a diagnostic that names the field", async () => {
    await withTempDirectory(async (directory) => {
      const path = join(directory, "mistakes.ts");
      await writeFile(path, [IMPORT, ...MISTAKES.map(([code]) => code), ""].join("\n"));
      const { stderr } = await check(path);
      const diagnostics = stderr.split(/^(?=TS\d+ \[ERROR\]: )/m).filter((text) => text.startsWith("TS"));
      const found = diagnostics.map((text) => {
        const [, line, column] = /^ {4}at \S+:(\d+):(\d+)$/m.exec(text)!;
        const [first] = text.replace(/^TS\d+ \[ERROR\]: /, "").split("\n");
        return { line: Number(line), column: Number(column), text: first };
      });
      const expected = MISTAKES.map(([code, at, text], index) => {
        return { line: index + 2, column: code.indexOf(at) + 1, text };
      });
      assertEquals(found, expected, stderr);
      assert(!stderr.includes("ReadableStream"), stderr);
      assert(stderr.includes("The expected type comes from property 'timeoutMs'"), stderr);
    });
  });
}
