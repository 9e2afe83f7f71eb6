/** The bar on a real terminal, tmux, below output on the same terminal. */

import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertStringIncludes } from "@std/assert/string-includes";
import { jsonLines, lacks, PROJECT, waitFor } from "../support/helpers.ts";
import { test } from "../support/test.ts";
import { Tmux } from "../support/tmux.ts";

const BAR = /^██████░{18} 1\/4 25% done, 2 running, /;
const isBar = (line: string | undefined) => line !== undefined && BAR.test(line);

/** Returns a script that runs the fixture. The path of each file begins with the name of the directory. */
function fixture(steps: readonly object[]): string {
  const json = JSON.stringify(steps).replaceAll('"wait":"', '"wait":"\'$DIRECTORY\'/');
  return `$RUNTIME tests/fixtures/terminal_display.ts '${json}'`;
}

test("on a terminal, output appears above the bar, and an unterminated line continues at its place", async () => {
  if (lacks("tmux")) return;
  const steps = [
    { stdout: "one\ntw" },
    { wait: "1" },
    { stdout: "o\n" },
    { stderr: "\x1b[31mred\x1b[0m" },
    { wait: "2" },
    { stdout: " end\ttab" },
    { log: "a message" },
    { wait: "3" },
    { stdout: "last" },
  ];
  await Tmux.with(100, fixture(steps), async (terminal, directory) => {
    const go = (file: string) => writeFile(join(directory, file), "");
    const bar = (above: string[]) =>
      terminal.waitFor(
        `the bar below ${above.at(-1)}`,
        (lines) => isBar(lines.at(-1)) && lines.slice(0, -1).join("\n") === above.join("\n"),
      );
    await bar(["one", "tw"]);
    await go("1");
    await bar(["one", "two", "red"]);
    await go("2");
    await bar(["one", "two", "red end tab", "a message"]);
    await go("3");
    const lines = await terminal.waitFor("the end", (lines) => lines.at(-1)?.endsWith("END"));
    assertEquals(lines, ["one", "two", "red end tab", "a message", "lastEND"]);
  });
});

test("a terminal that becomes narrower and wider keeps no part of the bar", async () => {
  if (lacks("tmux")) return;
  // The screen is full, because tmux moves lines of a screen with room below to its history, where nobody can clear them.
  const first = Array.from({ length: 25 }, (_, index) => `line ${index}`);
  const steps = [
    { stdout: first.join("\n") + "\n" },
    { wait: "1" },
    { stdout: "two" },
    { wait: "2" },
    { stdout: "three\n" },
    { wait: "3" },
  ];
  await Tmux.with(100, fixture(steps), async (terminal, directory) => {
    const go = (file: string) => writeFile(join(directory, file), "");
    const resize = async (columns: number, above: string[]) => {
      await terminal.resize(columns);
      const begin = columns > 70 ? "██████" : "1/4 25% done, 2 running, ".slice(0, columns - 1).trimEnd();
      await terminal.waitFor(
        `the bar at ${columns} columns`,
        (lines) =>
          lines.at(-1)?.startsWith(begin) && lines.at(-1)!.length < columns &&
          lines.slice(0, -1).join("\n") === above.join("\n"),
      );
    };
    await terminal.waitFor("the bar", (lines) => isBar(lines.at(-1)));
    for (const columns of [60, 30, 12, 100, 20, 40]) await resize(columns, first);
    await go("1");
    await terminal.waitFor("the second line", (lines) => lines.at(-2) === "two");
    await resize(25, [...first, "two"]);
    await resize(100, [...first, "two"]);
    await go("2");
    await terminal.waitFor("the third line", (lines) => lines.at(-2) === "three" && isBar(lines.at(-1)));
    await resize(10, [...first, "two", "three"]);
    await go("3");
    const lines = await terminal.waitFor("the end", (lines) => lines.at(-1) === "END");
    assertEquals(lines, [...first, "two", "three", "END"]);
  });
});

test("a run on a terminal shows results above the bar, and after Ctrl-C neither the bar nor canceled tasks as failed", async () => {
  if (lacks("tmux")) return;
  const tasks = [{ cmd: "echo hi" }, { cmd: "touch $DIRECTORY/on; until test -e $DIRECTORY/go; do sleep 0.01; done" }];
  const script = `export DIRECTORY; $RUNTIME cli.ts -j1 $DIRECTORY/tasks`;
  const write = `cat > $DIRECTORY/tasks << 'EOF'\n${jsonLines(tasks)}EOF\n`;
  await Tmux.with(300, write + script, async (terminal) => {
    const [result] = await terminal.waitFor("the bar", (lines) => /░ 1\/2 50% done, 1 running/.test(lines.at(-1)!));
    assertStringIncludes(result!, '{"id":"1","status":0,"outcome":"ok"');
    await terminal.type("C-c");
    const lines = await terminal.waitFor("the end", (lines) => lines.at(-1) === "END");
    assertEquals(lines[0], result);
    assertEquals(lines[1], "taskrunner: SIGINT: ending 1 running task; press Ctrl-C again to kill it");
    assertStringIncludes(lines[2]!, '"outcome":"canceled"');
    assertMatch(lines[3]!, /^taskrunner: 2 tasks in .*: 1 ok, 1 canceled$/);
    assertEquals(lines.slice(4), ["END"]);
  });
});

test("a run that reads its tasks from the terminal shows the bar after the last task is typed", async () => {
  if (lacks("tmux")) return;
  await Tmux.with(300, `cd $DIRECTORY; $RUNTIME ${PROJECT}/cli.ts -q -o out`, async (terminal, directory) => {
    await terminal.waitFor("the request", (lines) => lines[0]?.includes("press Ctrl-D to end"));
    await terminal.type(`{"cmd":"touch on; until test -e go; do sleep 0.01; done"}`, "Enter");
    await waitFor("the task", () => existsSync(join(directory, "on")));
    await terminal.type("C-d");
    const lines = await terminal.waitFor("the bar", (lines) => lines.at(-1) === "0 done, 1 running");
    assertEquals(lines.length, 3);
    await writeFile(join(directory, "go"), "");
    const last = await terminal.waitFor("the end", (lines) => lines.at(-1) === "END");
    assertEquals(last.slice(2), ["END"]);
  });
});
