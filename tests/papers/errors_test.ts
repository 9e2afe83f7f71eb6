import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { IS_LEFT_TO_BUN, jsonLines, pathWithTaskrunner, shell, withTempDirectory } from "../support/helpers.ts";
import { readPage, rowsOf } from "../support/pages.ts";
import { test } from "../support/test.ts";

// cspell:ignore compiel

/** Removes the backticks around a cell. */
const codeOf = (cell: string) => /^`(.*)`$/.exec(cell)?.[1];

const page = await readPage("docs/reference/errors.md");

for (const section of IS_LEFT_TO_BUN ? [] : page.split(/^## /m).slice(1)) {
  const [heading] = section.split("\n");
  test(`every error in docs/reference/errors.md has its status and message: ${heading}`, async () => {
    await withTempDirectory(async (directory) => {
      const env = { PATH: await pathWithTaskrunner(directory), NATS_URL: "" };
      const write = (name: string, text: string) => writeFile(join(directory, name), text);
      await write("tasks.jsonl", '{"id":"a","cmd":"touch ran"}\n');
      await write("text.jsonl", '{"cmd":"touch ran"}\nnonsense\n');
      await write("field.jsonl", '{"cmd":"true"}\n{"cmmd":"touch ran"}\n');
      const touch = { cmd: "touch ran" };
      await write("typo.jsonl", jsonLines([{ id: "compile", ...touch }, { id: "link", ...touch, after: "compiel" }]));
      const cycle = [{ id: "a", ...touch, after: "b" }, { id: "b", ...touch, after: "a" }];
      await write("cycle.jsonl", jsonLines([...cycle, { id: "c", ...touch, after: "d" }]));
      await write("large.jsonl", jsonLines([{ id: "train", ...touch, slots: 4 }]));
      const { status } = await shell('echo \'{"id":"a","cmd":"true"}\' | taskrunner -q -o results.jsonl', {
        cwd: directory,
        env,
      });
      assertEquals(status, 0);
      const rows = rowsOf(section).filter(([cell]) => cell!.startsWith("`"));
      assert(rows.length > 5, heading);
      for (const [command, expected, message] of rows) {
        const { status, stderr } = await shell(codeOf(command!)!, { cwd: directory, env });
        assertEquals([command, `${status}`], [command, expected]);
        assert(stderr.startsWith(codeOf(message!)!), `${command}\n${stderr}`);
        const isUsage = /^Try 'taskrunner( [a-z]+)? --help'\.$/;
        const lines = stderr.trimEnd().split("\n").filter((line) => !isUsage.test(line));
        assertEquals(lines.length, 1, `${command}\n${stderr}`);
        if (message!.includes("standard output")) continue; // the task has run before its result is written
        assertEquals((await shell("[ ! -e ran ]", { cwd: directory })).status, 0, `${command} has run a task`);
      }
    });
  });
}
