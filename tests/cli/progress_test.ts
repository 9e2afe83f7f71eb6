/** Progress on standard error: a bar on a real terminal, and the warning of an idle run. */

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertStringIncludes } from "@std/assert/string-includes";
import { ThrottleWarning } from "../../cli/ui/throttle_warning.ts";
import type { Progress } from "../../pool/options.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { shell, startShell, taskFile, waitFor, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const PROGRESS: Progress = { total: 4, finished: 2, failed: 1, running: 1, retrying: 0 };

/** Makes control sequences visible. */
const visible = (text: string) => text.replaceAll("\x1b", "^").replaceAll("\r", "<");

test("ThrottleWarning warns once, after two idle seconds, and not during a short peak", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    const lines: string[] = [];
    const warning = new ThrottleWarning((line) => Promise.resolve(void lines.push(line)));
    const idle: Progress = { ...PROGRESS, running: 0, throttledBy: "load" };
    warning.update(idle);
    await clock.advance(1_999);
    warning.update(PROGRESS);
    await clock.advance(5_000);
    warning.update({ ...idle, throttledBy: "delay" });
    await clock.advance(5_000);
    assertEquals(lines, []);
    for (let time = 0; time < 2; time++) {
      warning.update(idle);
      warning.update(idle);
      await clock.advance(2_000);
    }
    assertEquals(lines, ["taskrunner: no task is running: --load waits for a lower load"]);
    warning.stop();
    assertEquals(clock.waiting, 0);
  });
});

test("a run on a terminal draws a bar and leaves a clean line, also after Ctrl-C", async () => {
  await withTempDirectory(async (directory) => {
    const wait = { id: "wait", cmd: `touch ${directory}/on; until test -e ${directory}/go; do sleep 0.01; done` };
    const tasks = await taskFile(directory, [{ id: "first", cmd: "exit 1" }, wait]);
    const run = `$RUNTIME cli.ts -j1 ${tasks} > ${directory}/out`;
    for (const end of ["at its end", "Ctrl-C"]) {
      const { child, output, ended } = startShell(`exec script -qec 'stty cols 100; ${run}' /dev/null`, {
        stdin: undefined,
      });
      await waitFor("the bar", () => output.stdout.includes("1/2 50% done, 1 failed, 1 running"));
      assertStringIncludes(output.stdout, "████████████░░░░░░░░░░░░ 1/2 50% done");
      if (end === "Ctrl-C") child.stdin!.write("\x03");
      else await writeFile(join(directory, "go"), "");
      const { stdout } = await ended;
      // The summary begins in the first column of the cleared line.
      assertMatch(stdout.replaceAll("\u001b", "ESC"), /ESC\[2Ktaskrunner: 2 tasks in /);
      assert(!stdout.slice(stdout.indexOf("taskrunner: 2 tasks")).includes("█"));
      assertStringIncludes(stdout, "2/2 100% done, 1 failed, 0 running"); // a canceled task has not failed
      await shell(`rm -f ${directory}/go ${directory}/on`);
    }
  });
});

test("a bar follows the width of its terminal", async () => {
  await withTempDirectory(async (directory) => {
    const wait = { cmd: `until test -e ${directory}/go; do sleep 0.01; done` };
    const tasks = await taskFile(directory, [{ cmd: "true" }, wait]);
    const run = `stty cols 100; tty > ${directory}/tty; $RUNTIME cli.ts -q -j1 ${tasks} > ${directory}/out`;
    const { output, ended } = startShell(`exec script -qec '${run}' /dev/null`, { stdin: undefined });
    await waitFor("the bar", () => output.stdout.includes("░ 1/2 50% done"));
    const terminal = (await readFile(join(directory, "tty"), "utf8")).trim();
    await shell(`stty cols 20 < ${terminal}`);
    await waitFor("a short line", () => output.stdout.includes("\r1/2 50% done, 1 run\x1b[K"));
    await shell(`stty cols 100 < ${terminal}`);
    const shortAt = output.stdout.length;
    await waitFor("the bar again", () => output.stdout.slice(shortAt).includes("░ 1/2 50% done"));
    await writeFile(join(directory, "go"), "");
    const { status, stdout } = await ended;
    // Each frame restores automatic wrapping, and the last write clears the line.
    assertEquals([status, stdout.split("\x1b[?7l").length], [0, stdout.split("\x1b[?7h").length]);
    assert(stdout.endsWith("\r\x1b[2K"), visible(stdout.slice(-40)));
  });
});
