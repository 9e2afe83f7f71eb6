/** The output of a run and its progress: a bar below the output on a terminal, lines elsewhere. */

import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertRejects } from "@std/assert/rejects";
import type { Io } from "../../cli/io.ts";
import { openDisplay } from "../../cli/ui/open_display.ts";
import { PlainDisplay } from "../../cli/ui/plain_display.ts";
import { columnAfter } from "../../cli/ui/terminal_column.ts";
import { TerminalDisplay } from "../../cli/ui/terminal_display.ts";
import type { Progress } from "../../pool/options.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { EFFORT, randomNumbers, SEED, waitFor } from "../support/helpers.ts";
import { FakeTerminal, Screen } from "../support/screen.ts";
import { fakeIo } from "../support/fake_io.ts";
import { test } from "../support/test.ts";

const PROGRESS: Progress = { total: 4, finished: 2, failed: 1, running: 1, retrying: 0 };
const EMPTY_BAR = "^[?7l<0 done, 0 running^[K^[?7h<";

const bytes = (text: string) => new TextEncoder().encode(text);

/** Calls a function with a display whose time has begun, and closes the display. */
async function withDisplay(
  use: (display: TerminalDisplay, terminal: FakeTerminal, clock: FakeClock) => Promise<void>,
): Promise<void> {
  const clock = new FakeClock();
  await clock.during(async () => {
    const terminal = new FakeTerminal();
    const display = new TerminalDisplay(terminal);
    try {
      await use(display, terminal, clock);
    } finally {
      terminal.release();
      await display.close();
    }
    assertEquals(clock.waiting, 0);
  });
}

test("TerminalDisplay shows no bar for a run of less than 300 ms", async () => {
  await withDisplay(async (display, terminal, clock) => {
    display.update(PROGRESS);
    await display.stdout.write(bytes("a\n"));
    await clock.advance(299);
    await display.log("a notice");
    await display.close();
    assertEquals(terminal.taken(), ["a\n", "a notice\n"]);
  });
  await withDisplay(async (_, terminal, clock) => {
    await clock.advance(300);
    assertEquals(terminal.taken(), [EMPTY_BAR]);
  });
});

test("TerminalDisplay draws at most ten frames a second, and none when nothing changed", async () => {
  await withDisplay(async (display, terminal, clock) => {
    await clock.advance(300);
    assertEquals(terminal.taken(), [EMPTY_BAR]);
    for (let running = 1; running <= 50; running++) {
      display.update({ ...PROGRESS, total: undefined, finished: 0, failed: 0, running });
      await clock.advance(10);
    }
    const frames = terminal.taken();
    assertEquals(frames.length, 5);
    assertMatch(frames[4]!, /^\^\[\?7l<0 done, (49|50) running\^\[K\^\[\?7h<$/);
    await clock.advance(1_000);
    assert(terminal.taken().length <= 1); // the frame of the last update
    await display.close();
    assertEquals(terminal.taken(), ["<^[2K"]);
  });
});

test("TerminalDisplay shows the bar where it fits, and cuts its text to the terminal's width", async () => {
  await withDisplay(async (display, terminal, clock) => {
    await clock.advance(300);
    display.update(PROGRESS);
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
      const text = frame.replace(/^<\^\[K\^\[C\^\[J</, "").slice("^[?7l<".length, -"^[K^[?7h<".length);
      assertMatch(text, line);
      assert(text.length < (columns || 80), `${columns}: ${text}`);
    }
  });
});

test("TerminalDisplay clears every line of a bar that a narrower terminal has broken", async () => {
  await withDisplay(async (display, terminal, clock) => {
    await clock.advance(300);
    terminal.columns = 10;
    await clock.advance(100);
    assertEquals(terminal.taken(), [EMPTY_BAR, "<^[K^[C^[J<^[?7l<0 done, 0^[K^[?7h<"]);
    terminal.columns = 8;
    await display.stdout.write(bytes("a\n")); // between two frames
    await clock.advance(100);
    assertEquals(terminal.taken(), ["<^[K^[C^[J<", "a\n", "^[?7l<0 done,^[K^[?7h<"]);
    terminal.columns = 6;
    await display.close();
    assertEquals(terminal.taken(), ["<^[K^[C^[J<^[?7l<0 don^[K^[?7h<", "<^[2K"]);
  });
});

test("TerminalDisplay writes a single output at once, and many outputs together with a frame", async () => {
  await withDisplay(async (display, terminal, clock) => {
    await clock.advance(350);
    terminal.taken();
    await clock.advance(45); // until just before the next frame
    await display.stderr.write(bytes("1\n"));
    await clock.advance(60); // the frame of 400 ms
    terminal.taken();
    for (let count = 0; count < 1_000; count++) {
      await display.stdout.write(bytes("x\n"));
      await display.stderr.write(bytes("y\n"));
      await clock.advance(1);
    }
    const writes = terminal.taken();
    assertEquals(writes.filter((text) => text.includes("[?7l")).length, 10);
    assertEquals(
      writes.join("").replaceAll(/[^xy]/g, ""),
      "xy".repeat(1_000).slice(0, writes.join("").replaceAll(/[^xy]/g, "").length),
    );
  });
});

test("TerminalDisplay gives standard output exactly the bytes of the tasks", async () => {
  await withDisplay(async (display, terminal, clock) => {
    await clock.advance(300);
    for (const text of ["a", "b\nc", "\n", "\x1b[31mred", "\r\n", "end"]) {
      await display.stdout.write(bytes(text));
      await clock.advance(100);
      await display.log("message");
      await clock.advance(100);
    }
    await display.close();
    const writes = terminal.takenWrites();
    const stdout = writes.filter(({ stream }) => stream === "stdout").map(({ text }) => text).join("");
    assertEquals(stdout, "ab\nc\n\x1b[31mred\r\nend");
  });
});

test("TerminalDisplay bounds the queued bytes, and copies them", async () => {
  await withDisplay(async (display, terminal, clock) => {
    await clock.advance(300);
    terminal.taken();
    const buffer = bytes("x".repeat(20_000));
    for (let count = 0; count < 3; count++) await display.stdout.write(buffer);
    buffer.fill(121); // as a reader does that reuses its buffer
    terminal.isStuck = true;
    let isTaken = false;
    const taken = (async () => {
      await display.stdout.write(buffer);
      isTaken = true;
    })();
    await clock.advance(1_000);
    assertEquals(isTaken, false);
    terminal.release();
    await taken;
    await display.flush();
    const stdout = terminal.takenWrites().filter(({ stream }) => stream === "stdout").map(({ text }) => text).join("");
    assertEquals(stdout.replaceAll("x", "").length, 20_000);
    assertEquals(stdout.indexOf("y"), 60_000);
  });
});

test("TerminalDisplay reports a failed write of standard output, and keeps writing messages", async () => {
  await withDisplay(async (display, terminal, clock) => {
    await clock.advance(300);
    terminal.taken();
    terminal.stdoutError = new Error("full");
    await display.stdout.write(bytes("lost"));
    await assertRejects(() => display.flush(), Error, "full");
    await assertRejects(() => Promise.resolve(display.stdout.write(bytes("lost"))), Error, "full");
    terminal.taken();
    await display.log("message");
    await display.close();
    assert(terminal.taken().join("").includes("message\n"));
  });
});

test("TerminalDisplay draws no frame while the terminal takes nothing, and draws again afterwards", async () => {
  await withDisplay(async (display, terminal, clock) => {
    await clock.advance(300);
    terminal.isStuck = true;
    for (let running = 2; running <= 1_000; running++) {
      display.update({ ...PROGRESS, running });
      await clock.advance(100);
    }
    assertEquals(terminal.taken().length, 2); // the first frame, and a frame that the terminal has not taken
    terminal.release();
    await clock.advance(100);
    assertEquals(terminal.taken().length, 1);
  });
});

test("TerminalDisplay draws the final numbers, also when it is closed while a frame is being written", async () => {
  await withDisplay(async (display, terminal, clock) => {
    terminal.isStuck = true;
    await clock.advance(300);
    display.update({ ...PROGRESS, total: undefined, finished: 0, failed: 0, running: 7 });
    const closed = display.close();
    terminal.release();
    await closed;
    assertEquals(terminal.taken(), [EMPTY_BAR, "^[?7l<0 done, 7 running^[K^[?7h<", "<^[2K"]);
  });
});

test("TerminalDisplay shows no bar while the user types the input", async () => {
  await withDisplay(async (_, terminal, clock) => {
    terminal.isReading = true;
    await clock.advance(1_000);
    assertEquals(terminal.taken(), []);
    terminal.isReading = false;
    await clock.advance(100);
    assertEquals(terminal.taken(), [EMPTY_BAR]);
  });
});

test("TerminalDisplay writes standard output of another terminal or a file directly", async () => {
  const terminal = new FakeTerminal();
  terminal.outputsShareTerminal = false;
  const display = new TerminalDisplay(terminal);
  assertEquals(display.stdout, terminal.stdout);
  await display.close();
});

/** Output with line ends of all kinds, at random. */
function randomOutput(random: () => number): string {
  const parts = [
    "a",
    "bc",
    "x".repeat(7),
    "\n",
    "\r",
    "\t",
    "\x1b[31m",
    "\x1b[0m",
    "é",
    "Я",
    "日本",
    "\n\n",
    " ",
    "0".repeat(20),
  ];
  return Array.from({ length: Math.floor(random() * 4) + 1 }, () => parts[Math.floor(random() * parts.length)]).join(
    "",
  );
}

test("with and without a bar, a terminal shows the same output, and the bar stays below it", async () => {
  const random = randomNumbers(SEED);
  let bars = 0;
  for (let trial = 0; trial < 300 * EFFORT; trial++) {
    const columns = 5 + Math.floor(random() * 30);
    const [screen, plain] = [new Screen(columns), new Screen(columns)];
    await withDisplay(async (display, terminal, clock) => {
      terminal.columns = columns;
      const show = () => terminal.takenWrites().forEach(({ text }) => screen.write(text));
      await clock.advance(300);
      for (let step = 0; step < 15; step++) {
        const isMessage = random() < 0.1;
        const output = isMessage ? "message" : randomOutput(random);
        plain.write(isMessage ? `${plain.isAtLineStart ? "" : "\n"}message\n` : output);
        if (isMessage) await display.log(output);
        else await (random() < 0.5 ? display.stdout : display.stderr).write(bytes(output));
        if (random() < 0.5) continue;
        await clock.advance(100);
        show();
        const below = screen.lines.slice(screen.row);
        if (below[0] !== "0 done, 0 running".slice(0, columns - 1)) continue;
        bars++;
        const above = screen.lines.slice(0, screen.row).join("\n").trimEnd();
        assertEquals([above, below.slice(1)], [plain.lines.join("\n").trimEnd(), []], `seed ${SEED}, trial ${trial}`);
      }
      await display.close();
      show();
    });
    const end = ({ lines, row, column }: Screen) => [lines.join("\n").trimEnd(), row, column];
    assertEquals(end(screen), end(plain), `seed ${SEED}, trial ${trial}`);
  }
  assert(bars > 0);
});

test("columnAfter() follows tabs, returns, colors and wrapped lines, and refuses what terminals draw differently", () => {
  const cases: [line: string, columns: number, column: number | undefined][] = [
    ["", 80, 0],
    ["abc", 80, 3],
    ["abc", 3, 3],
    ["abcd", 3, 1],
    ["abc\rx", 80, 1],
    ["a\tb", 80, 9],
    ["a\t", 5, 4],
    ["\x1b[1;31mred\x1b[m", 80, 3],
    ["naïve Я", 80, 7],
    ["日", 80, undefined],
    ["e\u0301", 80, undefined],
    ["\x1b[2J", 80, undefined],
    ["\x07", 80, undefined],
    ["a\b", 80, undefined],
    ["x".repeat(4_096), 80, 16],
    ["x".repeat(4_097), 80, undefined],
  ];
  for (const [line, columns, column] of cases) {
    assertEquals(columnAfter(bytes(line), columns), column, JSON.stringify(line.slice(0, 20)));
  }
  assertEquals(columnAfter(new Uint8Array([0xe9]), 80), undefined);
});

/** Returns the streams of a program, and what is written to them. */
function recordingIo(fields: Partial<Io>): { io: Io; written: string[] } {
  const written: string[] = [];
  const sink = { write: (output: Uint8Array) => void written.push(new TextDecoder().decode(output)) };
  const io = fakeIo({
    stdout: sink,
    stderrBytes: sink,
    stderr: (line: string) => Promise.resolve(void written.push(`${line}\n`)),
    ...fields,
  });
  return { io, written };
}

test("openDisplay() shows a bar on a terminal, lines elsewhere if asked, and otherwise nothing", async () => {
  const { setInterval } = globalThis;
  const kindOf = async (wanted: boolean | undefined, stderrIsTerminal: boolean) => {
    let kind = "nothing";
    globalThis.setInterval = (() => void (kind = "lines")) as unknown as typeof setInterval;
    try {
      const display = await openDisplay(wanted, recordingIo({ stderrIsTerminal }).io);
      await display.close();
      return display instanceof TerminalDisplay ? "bar" : kind;
    } finally {
      globalThis.setInterval = setInterval;
    }
  };
  assertEquals(await kindOf(undefined, true), "bar");
  assertEquals(await kindOf(true, true), "bar");
  assertEquals(await kindOf(false, true), "nothing");
  assertEquals(await kindOf(undefined, false), "nothing");
  assertEquals(await kindOf(true, false), "lines");
});

test("PlainDisplay begins messages on a line of their own", async () => {
  for (const outputsShareTerminal of [true, false]) {
    const { io, written } = recordingIo({ outputsShareTerminal });
    const display = new PlainDisplay(io, undefined);
    await display.log("one");
    await display.stdout.write(bytes("a"));
    await display.log("two");
    await display.log("three");
    await display.stderr.write(bytes("b"));
    await display.stderr.write(bytes(""));
    await display.log("four");
    await display.stdout.write(bytes("c\n"));
    await display.log("five");
    await display.flush();
    await display.close();
    const afterStdout = outputsShareTerminal ? "\n" : "";
    assertEquals(written.join(""), `one\na${afterStdout}two\nthree\nb\nfour\nc\nfive\n`);
  }
});

test("PlainDisplay writes a line at each interval until close()", async () => {
  const { io, written: lines } = recordingIo({});
  const display = new PlainDisplay(io, 1);
  display.update({ total: 4_000, finished: 1_000, failed: 2, running: 8, retrying: 1 });
  await waitFor("two lines", () => lines.length >= 2);
  await display.close();
  assertMatch(
    lines[0]!,
    /^taskrunner: 1,000\/4,000 25% done, 2 failed, 8 running, 1 to retry, [\d,]+\/s, ETA [\dmsh. ]+\n$/,
  );
  const endless = new PlainDisplay(io, 1);
  endless.update({ total: undefined, finished: 0, failed: 0, running: 2, retrying: 0 });
  await waitFor("a line without a total", () => lines.includes("taskrunner: 0 done, 2 running\n"));
  await endless.close();
});
