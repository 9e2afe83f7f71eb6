/** Tests how programs load the package and start the command. */

import { symlink } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { assertEquals } from "@std/assert/equals";
import { isEntryPoint } from "../../system/entry_point.ts";
import { parseResults, PROJECT, RUN_MODULE, RUNTIME, start, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

test("require() loads the package, which runs tasks in this process and in another", async () => {
  const program = join(PROJECT, "tests", "fixtures", "require_module.cjs");
  const { status, stdout } = await start(process.execPath, [...RUN_MODULE, program], { stdin: "" }).ended;
  assertEquals([status, stdout], [0, "one\ntwo\n"]);
});

// Deno resolves imports relative to the link, not to its target.
if (RUNTIME !== "deno") {
  test("the command starts through a symbolic link", async () => {
    await withTempDirectory(async (directory) => {
      const link = join(directory, "taskrunner.ts");
      await symlink(join(PROJECT, "cli.ts"), link);
      const { status, stdout } = await start(process.execPath, [...RUN_MODULE, link, "-q"], {
        stdin: '{"cmd":"echo hi"}\n',
      }).ended;
      assertEquals([status, parseResults(stdout).map(({ stdout }) => stdout)], [0, ["hi\n"]]);
    });
  });
}

test("isEntryPoint() works without import.meta.main, also through a symbolic link", async () => {
  await withTempDirectory(async (directory) => {
    const filename = join(PROJECT, "cli.ts");
    const link = join(directory, "link");
    await symlink(filename, link);
    const [, before] = process.argv;
    const isEntry = (path: string | undefined, main?: boolean) => {
      process.argv[1] = path!;
      return isEntryPoint({ url: pathToFileURL(filename).href, main, filename }, "cli");
    };
    try {
      assertEquals([filename, link].map((path) => isEntry(path)), [true, true]);
      assertEquals([join(PROJECT, "mod.ts"), join(directory, "none"), "-", undefined].map((path) => isEntry(path)), [
        false,
        false,
        false,
        false,
      ]);
      assertEquals([isEntry(filename, false), isEntry("-", true)], [false, true]);
      const inBundle = { url: "file:///app/program.js", main: true, filename };
      assertEquals(isEntryPoint(inBundle, "cli"), false);
    } finally {
      process.argv[1] = before!;
    }
  });
});
