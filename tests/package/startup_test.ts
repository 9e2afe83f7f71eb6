/** The number of modules that a start loads, on which its time depends. `deno task bench:startup` measures times. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { PROJECT, RUNTIME, start, taskFile, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Runs the command, and returns the modules that it loads, by their paths in the project. */
async function modulesOf(args: readonly string[], directory: string): Promise<string[]> {
  const list = join(directory, `modules-${args.length}`);
  const hooks = join(PROJECT, "tests/fixtures/loaded_modules.ts");
  const { status, stderr } = await start(process.execPath, ["--import", hooks, join(PROJECT, "cli.ts"), ...args], {
    stdin: "",
    env: { LOADED_MODULES: list, XDG_CONFIG_HOME: directory },
  }).ended;
  assertEquals([status, stderr], [0, ""]);
  return (await readFile(list, "utf8")).trim().split("\n").map((url) =>
    url.replace(/^file:.*?\/(?=cli[./]|\w+\/)/, "")
  );
}

if (RUNTIME === "node") {
  test("--version loads 20 modules at most, and a run of one task 178", async () => {
    await withTempDirectory(async (directory) => {
      const tasks = await taskFile(directory, [{ cmd: "true" }]);
      const version = await modulesOf(["--version"], directory);
      assert(version.length <= 20, `${version.length} modules: ${version.join(" ")}`);
      const run = await modulesOf(["run", "--quiet", tasks], directory);
      assert(run.length <= 178, `${run.length} modules: ${run.join(" ")}`);
      assert(run.some((path) => path.endsWith("/run_tasks.ts")));
    });
  });

  test("a run loads neither other commands nor help nor what its settings do not need", async () => {
    await withTempDirectory(async (directory) => {
      const modules = await modulesOf(["run", "--quiet", await taskFile(directory, [{ cmd: "true" }])], directory);
      const unneeded =
        /cli\/(?:help|man|completions|each|failed)|results_file|file_lock|nats\/|report\/|telemetry\/telemetry|pool\/workflow\/|graph\/|cli\/workflow/;
      assertEquals(modules.filter((path) => unneeded.test(path)), []);
    });
  });
}
