/** Streams that take or give nothing for a while, although they are non-blocking, or that nobody has opened yet. */

import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertStringIncludes } from "@std/assert/string-includes";
import {
  parseResults,
  PROJECT,
  RUN_MODULE,
  shell,
  start,
  type Started,
  taskFile,
  TIMEOUT,
  waitFor,
  withTempDirectory,
} from "./helpers.ts";

/** A terminal that takes nothing stops the whole program, as a write to it blocks in all runtimes. */
const KINDS = ["pipe", "socket", "terminal"];
const LONG = { timeout: TIMEOUT.timeout * 2 };
const COMMAND = [process.execPath, ...RUN_MODULE, join(PROJECT, "cli.ts")];
const DESCRIPTORS = { stdout: 1, stderr: 2 } as const;

/** Starts the tool with an output that is non-blocking and full. */
function startFull(kind: string, output: keyof typeof DESCRIPTORS, go: string, args: readonly string[]): Started {
  const fixture = join(PROJECT, "tests/fixtures/full_stream.py");
  return start("python3", [fixture, kind, `${DESCRIPTORS[output]}`, go, ...COMMAND, ...args], { stdin: "" });
}

/** Lets the output be read, and gives what was written to it when all has been. */
async function readRest(go: string): Promise<string> {
  await waitFor("the end of the stream", () => existsSync(`${go}.read`));
  return await readFile(`${go}.read`, "utf8");
}

for (const kind of ["pipe", "socket"]) {
  test(`a full non-blocking ${kind} as standard error delays what is said, and loses no result`, LONG, async () => {
    await withTempDirectory(async (directory) => {
      const [go, one, two] = ["go", "one", "two"].map((name) => join(directory, name));
      const tasks = await taskFile(directory, [
        { cmd: `touch ${one}; until test -e ${two}; do sleep 0.01; done; exit 3` },
        { cmd: `touch ${two}; until test -e ${go}; do sleep 0.01; done` },
      ]);
      const { child, ended } = startFull(kind, "stderr", go!, [tasks, "-j1", "--no-progress"]);
      await waitFor("the first task", () => existsSync(one!));
      process.kill(child.pid!, "SIGUSR1"); // which is said, and starts the second one
      await waitFor("the second task", () => existsSync(two!));
      await writeFile(go!, "");
      const { status, stdout } = await ended;
      assertEquals(parseResults(stdout).map(({ id, status }) => [id, status]).sort(), [["1", 3], ["2", 0]]);
      assertEquals(status, 1);
      const said = await readRest(go!);
      assertStringIncludes(said, "taskrunner: 2 at once from now on\n");
      assert(said.endsWith('taskrunner: not ok: "1" (status 3)\n'), said);
    });
  });
}

for (const kind of KINDS) {
  test(`a full non-blocking ${kind} as standard output delays results, and loses none`, LONG, async () => {
    await withTempDirectory(async (directory) => {
      const go = join(directory, "go");
      // More than fits at once, and few enough for all of them to run before anything is read.
      const cmd = "head -c 100000 /dev/zero | tr '\\0' x";
      const [first, last] = ["first", "last"].map((name) => join(directory, name));
      const lines = Array.from({ length: 7 }, () => ({ cmd: `touch ${first}; ${cmd}` }));
      const tasks = await taskFile(directory, [...lines, { cmd: `touch ${last}; exit 3` }]);
      const { ended } = startFull(kind, "stdout", go, [tasks, "-j1", "-q"]);
      await waitFor("the tasks", () => existsSync((kind === "terminal" ? first : last)!));
      await writeFile(go, "");
      const { status, stderr } = await ended;
      assertEquals([status, stderr], [1, ""]);
      const results = parseResults(await readRest(go));
      assertEquals(results.map(({ id, status, stdout }) => [id, status, stdout.length]), [
        ...lines.map((_, index) => [`${index + 1}`, 0, 100_000]),
        ["8", 3, 0],
      ]);
    });
  });
}

test("a promise that never settles does not end the command as a success", TIMEOUT, async () => {
  const { status } = await shell("$RUNTIME tests/fixtures/lost_promise.ts --version");
  assertEquals(status, 255);
});
