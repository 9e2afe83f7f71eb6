/** Tests streams that are full or empty for a while although they are non-blocking, and FIFOs without a partner. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertStringIncludes } from "@std/assert/string-includes";
import {
  parseResults,
  PROJECT,
  RUN_MODULE,
  shell,
  signalIfThere,
  start,
  type Started,
  startShell,
  startTaskrunner,
  taskFile,
  TIMEOUT,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** The kinds of standard output. Not of standard error: a write to a stopped terminal blocks the whole program. */
const KINDS = ["pipe", "socket", "terminal"];
const LONG = { timeout: TIMEOUT.timeout * 2 };
const COMMAND = [process.execPath, ...RUN_MODULE, join(PROJECT, "cli.ts")];
const DESCRIPTORS = { stdout: 1, stderr: 2 } as const;

/** Starts the tool with an output that is non-blocking and full. */
function startFull(kind: string, output: keyof typeof DESCRIPTORS, go: string, args: readonly string[]): Started {
  const fixture = join(PROJECT, "tests/fixtures/full_stream.py");
  return start("python3", [fixture, kind, `${DESCRIPTORS[output]}`, go, ...COMMAND, ...args], { stdin: "" });
}

/** Makes the fixture read the output. Returns all that was written to it. */
async function readRest(go: string): Promise<string> {
  await waitFor("the end of the stream", () => existsSync(`${go}.read`));
  return await readFile(`${go}.read`, "utf8");
}

for (const kind of ["pipe", "socket"]) {
  test(`a full non-blocking ${kind} as standard error delays messages, and loses no result`, LONG, async () => {
    await withTempDirectory(async (directory) => {
      const [go, one, two] = ["go", "one", "two"].map((name) => join(directory, name));
      const tasks = await taskFile(directory, [
        { cmd: `touch ${one}; until test -e ${two}; do sleep 0.01; done; exit 3` },
        { cmd: `touch ${two}; until test -e ${go}; do sleep 0.01; done` },
      ]);
      const { child, ended } = startFull(kind, "stderr", go!, [tasks, "-j1", "--no-progress"]);
      await waitFor("the first task", () => existsSync(one!));
      process.kill(child.pid!, "SIGUSR1"); // starts the second task, with a message
      await waitFor("the second task", () => existsSync(two!));
      await writeFile(go!, "");
      const { status, stdout } = await ended;
      assertEquals(parseResults(stdout).map(({ id, status }) => [id, status]).sort(), [["1", 3], ["2", 0]]);
      assertEquals(status, 1);
      const said = await readRest(go!);
      assertStringIncludes(said, "taskrunner: running up to 2 tasks at once\n");
      assertStringIncludes(said, 'taskrunner: "1" failed with status 3\n');
      assertMatch(said, /taskrunner: 2 tasks in .*\n$/);
    });
  });
}

for (const kind of KINDS) {
  test(`a full non-blocking ${kind} as standard output delays results, and loses no result`, LONG, async () => {
    await withTempDirectory(async (directory) => {
      const go = join(directory, "go");
      // More output than fits into the stream, but few enough tasks for all to run before anything is read.
      const cmd = "head -c 100000 /dev/zero | tr '\\0' x";
      const [first, last] = ["first", "last"].map((name) => join(directory, name));
      const lines = Array.from({ length: 3 }, () => ({ cmd: `touch ${first}; ${cmd}` }));
      const tasks = await taskFile(directory, [...lines, { cmd: `touch ${last}; exit 3` }]);
      const { ended } = startFull(kind, "stdout", go, [tasks, "-j1", "-q"]);
      await waitFor("the tasks", () => existsSync((kind === "terminal" ? first : last)!));
      await writeFile(go, "");
      const { status, stderr } = await ended;
      assertEquals([status, stderr], [1, ""]);
      const results = parseResults(await readRest(go));
      assertEquals(results.map(({ id, status, stdout }) => [id, status, stdout.length]), [
        ...lines.map((_, index) => [`${index + 1}`, 0, 100_000]),
        ["4", 3, 0],
      ]);
    });
  });
}

for (const kind of KINDS) {
  for (const flags of [["--format", "text"], ["--format", "text", "--max-inline", "10"], ["--lines"]]) {
    test(`a full non-blocking ${kind} delays text (${flags.join(" ")}), and loses nothing`, LONG, async () => {
      await withTempDirectory(async (directory) => {
        const [go, first] = [join(directory, "go"), join(directory, "first")];
        const line = `${"x".repeat(99)}\n`;
        const cmd = `touch ${first}; yes ${line.trim()} | head -n 3000; printf end`;
        const tasks = await taskFile(directory, Array.from({ length: 3 }, () => ({ cmd })));
        const { ended } = startFull(kind, "stdout", go, [tasks, "-j2", "-q", ...flags]);
        await waitFor("a task", () => existsSync(first));
        await writeFile(go, "");
        const { status, stderr } = await ended;
        assertEquals([status, stderr], [0, ""]);
        const text = await readRest(go);
        const byLine = flags.includes("--lines");
        assertEquals(text.length, 3 * (3000 * line.length + "end".length + (byLine ? 1 : 0)));
        if (!byLine) assertEquals(text, `${line.repeat(3000)}end`.repeat(3));
      });
    });
  }
}

test("a promise that never settles ends the command with an error status", async () => {
  const { status } = await shell("$RUNTIME tests/fixtures/lost_promise.ts --version");
  assertEquals(status, 255);
});

/** Calls a function with a FIFO, a task file and a temporary directory. */
function withFifo(use: (fifo: string, tasks: string, directory: string) => Promise<void>): Promise<void> {
  return withTempDirectory(async (directory) => {
    const fifo = join(directory, "fifo");
    assertEquals((await shell(`mkfifo ${fifo}`)).status, 0);
    await use(fifo, await taskFile(directory, [{ cmd: "echo hi" }]), directory);
  });
}

const SIGUSR2_BIT = 1n << 11n;

/** Returns whether the program handles signals. Node itself handles some from its start, but not SIGUSR2. */
function handlesSignals(pid: number): boolean {
  const caught = /^SigCgt:\s*(\w+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))![1]!;
  return (BigInt(`0x${caught}`) & SIGUSR2_BIT) !== 0n;
}

/** Returns whether a thread waits for the other end of a FIFO; `true` where the system does not report that. */
function waitsForPartner(pid: number): boolean {
  const threads = readdirSync(`/proc/${pid}/task`);
  const places = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/wchan`, "latin1"));
  return places.some((place) => place === "wait_for_partner") || places.every((place) => place === "0");
}

test("SIGTERM ends a command that waits for the other end of a FIFO", LONG, async () => {
  await withFifo(async (fifo, tasks, directory) => {
    const results = join(directory, "results.jsonl");
    assertEquals((await startTaskrunner(["-q", "-o", results, tasks], { stdin: "" }).ended).status, 0);
    await writeFile(results, "{", { flag: "a" }); // the message about it precedes the opening of the output
    const commands: [args: string[], isWaiting: (started: Started) => boolean][] = [
      [[fifo], ({ child }) => waitsForPartner(child.pid!)],
      [[fifo, "--dry-run"], ({ child }) => waitsForPartner(child.pid!)],
      [["stats", fifo], ({ child }) => waitsForPartner(child.pid!)],
      [["report", fifo], ({ child }) => waitsForPartner(child.pid!)],
      [["trace", fifo], ({ child }) => waitsForPartner(child.pid!)],
      [[tasks, "-o", fifo], () => true],
      [["trace", results, "-o", fifo], ({ output }) => /incomplete last line of 1 byte\n$/.test(output.stderr)],
    ];
    for (const [args, isWaiting] of commands) {
      const started = startTaskrunner(args, { stdin: "" });
      await waitFor("the wait", () => handlesSignals(started.child.pid!) && isWaiting(started));
      process.kill(started.child.pid!, "SIGTERM");
      const { status, stdout } = await started.ended;
      assertEquals([status, stdout], [143, ""], args.join(" "));
    }
  });
});

test("one SIGTERM ends a command with a silent writer, and three end one with a stuck reader", LONG, async () => {
  await withFifo(async (fifo, _, directory) => {
    for (const args of [[fifo, "-q"], ["stats", fifo]]) {
      const writer = startShell(`exec 3>${fifo}; touch ${directory}/open; exec sleep 1000`);
      const { child, ended } = startTaskrunner(args, { stdin: "" });
      await waitFor("the writer", () => existsSync(join(directory, "open")));
      process.kill(child.pid!, "SIGTERM");
      assertEquals((await ended).status, 143);
      writer.child.kill("SIGKILL");
      await writer.ended;
      await rm(join(directory, "open"));
    }
    const reader = startShell(`exec 3<${fifo}; exec sleep 1000`);
    // More than the FIFO and the buffers hold, so that the last task does not run before the results are read.
    const cmd = "head -c 1000000 /dev/zero | tr '\\0' x";
    const tasks = await taskFile(directory, [{ cmd: `${cmd}; touch ${directory}/ran` }, { cmd }]);
    const { child, ended } = startTaskrunner([tasks, "-q", "-j1", "-o", fifo, "--max-inline", "2M"], { stdin: "" });
    await waitFor("a task", () => existsSync(join(directory, "ran")));
    // Signals in quick succession can be lost, so the test repeats them.
    const again = setInterval(() => signalIfThere(child.pid!, "SIGTERM"), 100);
    try {
      const { status, signal } = await ended;
      // The last one may arrive after the program has removed its handlers.
      assert(status === 143 || signal === "SIGTERM", `${status}, ${signal}`);
    } finally {
      clearInterval(again);
    }
    reader.child.kill("SIGKILL");
    await reader.ended;
  });
});

test("a FIFO to resume or watch is an error at once", LONG, async () => {
  await withFifo(async (fifo, tasks) => {
    for (const args of [[tasks, "-o", fifo, "--resume"], ["watch", fifo]]) {
      const { status, stderr } = await startTaskrunner(args, { stdin: "" }).ended;
      assertEquals(status, 255);
      assertStringIncludes(stderr, "it is not a regular file\n");
    }
  });
});

test("tasks and results pass through FIFOs, /dev/stdin and process substitutions", LONG, async () => {
  await withFifo(async (fifo, tasks, directory) => {
    const other = `${fifo}2`;
    const cmd = "head -c 300000 /dev/zero | tr '\\0' x";
    const large = await taskFile(directory, [{ cmd }], "large.jsonl");
    const scripts: [script: string, expected: string][] = [
      [`cat ${tasks} >${fifo} & $RUNTIME cli.ts -q ${fifo}`, "hi\\n"],
      [`: >${fifo} & $RUNTIME cli.ts -q ${fifo}; echo "status $?"`, "status 0\n"],
      [
        `{ sleep 0.1; cat ${tasks}; sleep 0.1; cat ${tasks}; } >${fifo} & $RUNTIME cli.ts -q ${fifo} | grep -c hi`,
        "2\n",
      ],
      [`mkfifo ${other}; cat ${other} & $RUNTIME cli.ts -q ${tasks} -o ${other}; wait`, "hi\\n"],
      [`{ sleep 0.1; tr -cd x <${fifo} | wc -c; } & $RUNTIME cli.ts -q ${large} -o ${fifo}; wait`, "300000"],
      [`cat ${tasks} | $RUNTIME cli.ts -q /dev/stdin`, "hi\\n"],
      [`$RUNTIME cli.ts -q /dev/stdin <${tasks}`, "hi\\n"],
      [`$RUNTIME cli.ts -q /dev/null; echo "status $?"`, "status 0\n"],
      [`exec bash -c '$RUNTIME cli.ts -q <(cat ${tasks}) -o >(cat)'`, "hi\\n"],
      [`$RUNTIME cli.ts -q ${tasks} | $RUNTIME cli.ts stats /dev/stdin`, "results    1 in"],
      [`exec script -qec "stty -echo; $RUNTIME cli.ts -q /dev/tty" /dev/null <${tasks}`, "hi\\n"],
    ];
    for (const [script, expected] of scripts) {
      const { stdout, stderr } = await shell(script);
      assertStringIncludes(stdout, expected, `${script}: ${stdout}${stderr}`);
    }
  });
});
