/** Progress on standard error: a bar on a terminal, lines elsewhere, and the warning of an idle run. */

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertStringIncludes } from "@std/assert/string-includes";
import type { Io } from "../../cli/io.ts";
import { progressDisplay, progressLines } from "../../cli/ui/progress.ts";
import { type BarTerminal, ProgressBar } from "../../cli/ui/progress_bar.ts";
import { ThrottleWarning } from "../../cli/ui/throttle_warning.ts";
import type { Progress } from "../../pool/options.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { shell, startShell, taskFile, waitFor, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const PROGRESS: Progress = { total: 4, finished: 2, failed: 1, running: 1, retrying: 0 };

/** Makes control sequences visible. */
const visible = (text: string) => text.replaceAll("\x1b", "^").replaceAll("\r", "<");

/** A terminal that records what is written to it, and takes it when the test allows. */
class FakeTerminal implements BarTerminal {
  columns: number | undefined = 100;
  isStuck = false;
  writes: string[] = [];
  readonly #waiting: (() => void)[] = [];

  write(text: string): Promise<void> {
    this.writes.push(visible(text));
    return this.isStuck ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve();
  }

  /** Takes what waits. */
  release(): void {
    this.isStuck = false;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Returns the writes since the last call. */
  taken(): string[] {
    return this.writes.splice(0);
  }
}

/** Creates a bar whose lines go to its terminal. */
function barOn(terminal: FakeTerminal): ProgressBar {
  return new ProgressBar((line) => terminal.write(`${line}\n`), terminal);
}

test("ProgressBar draws at most ten frames a second, and none when nothing changed", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    const terminal = new FakeTerminal();
    const bar = barOn(terminal);
    assertEquals(terminal.taken(), ["^[?7l<0 done, 0 running^[K^[?7h"]);
    for (let running = 1; running <= 50; running++) {
      bar.update({ ...PROGRESS, total: undefined, finished: 0, failed: 0, running });
      await clock.advance(10);
    }
    const frames = terminal.taken();
    assertEquals(frames.length, 5);
    assertMatch(frames[4]!, /^\^\[\?7l<0 done, (49|50) running\^\[K\^\[\?7h$/);
    await clock.advance(1_000);
    assert(terminal.taken().length <= 1); // the frame of the last update
    bar.stop();
    assertEquals([terminal.taken(), clock.waiting], [["<^[2K"], 0]);
  });
});

test("ProgressBar shows the bar where it fits, and cuts its text to the terminal's width", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    const terminal = new FakeTerminal();
    const bar = barOn(terminal);
    bar.update(PROGRESS);
    terminal.taken();
    const widths: [columns: number | undefined, line: RegExp][] = [
      [100, /^█{12}░{12} 2\/4 50% done, 1 failed, 1 running, [\d.,]+\/s, ETA [\d.]+ m?s$/],
      [40, /^2\/4 50% done, 1 failed, 1 running, [\d.,]{1,4}\/?s?$/],
      [12, /^2\/4 50% don$/],
      [1, /^$/],
      [0, /^█{12}░{12} 2\/4 50% done, 1 failed, 1 running, /],
      [undefined, /^█{12}░{12} 2\/4 50% done, 1 failed, 1 running, /],
    ];
    for (const [columns, line] of widths) {
      terminal.columns = columns;
      await clock.advance(100);
      const frame = terminal.taken().at(-1)!;
      const text = frame.slice("^[?7l<".length, -"^[K^[?7h".length);
      assertMatch(text, line);
      assert(text.length < (columns || 80), `${columns}: ${text}`);
    }
    bar.stop();
  });
});

test("log() of a bar clears it, writes the lines in their order, and draws it again", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    const terminal = new FakeTerminal();
    const bar = barOn(terminal);
    terminal.taken();
    await Promise.all([bar.log("one"), bar.log("two")]);
    assertEquals(terminal.taken(), ["<^[2K", "one\n", "two\n", "^[?7l<0 done, 0 running^[K^[?7h"]);
    assertEquals(clock.waiting, 1); // one timer, although two lines have shown the bar again
    bar.stop();
  });
});

test("stop() of a bar leaves a clean line, also while a line is being written", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    const terminal = new FakeTerminal();
    const bar = barOn(terminal);
    terminal.taken();
    terminal.isStuck = true;
    const logged = bar.log("one");
    bar.update(PROGRESS);
    bar.stop();
    bar.stop();
    terminal.release();
    await logged;
    await clock.advance(1_000);
    const writes = terminal.taken();
    assertEquals([writes.length, writes.at(-1), clock.waiting], [4, "<^[2K", 0]);
    assertStringIncludes(writes[2]!, "2/4 50% done");
  });
});

test("ProgressBar drops frames while the terminal takes none, and draws again afterwards", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    const terminal = new FakeTerminal();
    const bar = barOn(terminal);
    terminal.isStuck = true;
    const pass = async () => {
      for (let running = 1; running <= 1_000; running++) {
        bar.update({ ...PROGRESS, running });
        await clock.advance(100);
      }
    };
    await pass();
    const queued = terminal.taken().join("").length;
    assert(queued > 16_384 && queued < 16_384 + 200, `${queued}`);
    terminal.release();
    await clock.advance(100);
    assertEquals(terminal.taken().length, 1);
    bar.stop();
  });
});

test("progressDisplay() shows nothing without a terminal or beside results on it, unless asked", () => {
  const io = (stderrIsTerminal: boolean, stdoutIsTerminal: boolean) =>
    ({ stderrIsTerminal, stdoutIsTerminal, stderr: () => Promise.resolve() }) as Partial<Io> as Io;
  const kindOf = (wanted: boolean | undefined, world: Io, writesToStdout: boolean) => {
    const display = progressDisplay(wanted, world, writesToStdout);
    display?.stop();
    return display && (display instanceof ProgressBar ? "bar" : "lines");
  };
  assertEquals(kindOf(undefined, io(false, false), true), undefined);
  assertEquals(kindOf(undefined, io(true, true), true), undefined);
  assertEquals(kindOf(false, io(true, false), true), undefined);
  assertEquals(kindOf(true, io(false, false), true), "lines");
  assertEquals(kindOf(true, io(true, true), true), "lines");
});

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

test("progressLines() writes a line at each interval until stop()", async () => {
  const lines: string[] = [];
  const display = progressLines((line) => Promise.resolve(void lines.push(line)), 1);
  display.update({ total: 4_000, finished: 1_000, failed: 2, running: 8, retrying: 1 });
  await waitFor("two lines", () => lines.length >= 2);
  display.stop();
  assertMatch(
    lines[0]!,
    /^taskrunner: 1,000\/4,000 25% done, 2 failed, 8 running, 1 to retry, [\d,]+\/s, ETA [\dmsh. ]+$/,
  );
  const endless = progressLines((line) => Promise.resolve(void lines.push(line)), 1);
  endless.update({ total: undefined, finished: 0, failed: 0, running: 2, retrying: 0 });
  await waitFor("a line without a total", () => lines.includes("taskrunner: 0 done, 2 running"));
  endless.stop();
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
