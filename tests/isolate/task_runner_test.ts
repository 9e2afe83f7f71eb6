import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, realpath, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import {
  ExecutorError,
  type ExecutorFactory,
  InvalidTaskError,
  type Progress,
  ResourceShortageError,
  type Task,
  type TaskResult,
  TaskRunner,
  type TaskRunnerOptions,
} from "../../mod.ts";
import { natsExecutor } from "../../nats/mod.ts";
import { runtimeCommand } from "../../isolate/runtime_command.ts";
import { spawnAdapter } from "../../spawn_adapters/node.ts";
import { FakeExecutor } from "../support/fake_executor.ts";
import {
  collect,
  isAlive,
  jsonLines,
  parentOf,
  parseResults,
  PROJECT,
  RUN_MODULE,
  RUNTIME,
  start,
  TIMEOUT,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { executorFactory as failingFactory } from "../fixtures/failing_executor.ts";
import { executorFactory } from "../fixtures/fixed_status.ts";
import { eitherWay, runnerOf, withVariable } from "../support/task_runners.ts";
import { test } from "../support/test.ts";

/** Starts a program that runs the tasks, with a directory of its own for temporary files. */
function startProgram(directory: string, tasks: readonly Task[], options: TaskRunnerOptions = {}) {
  const program = join(PROJECT, "tests", "fixtures", "run_tasks.ts");
  const args = [...RUN_MODULE, program, JSON.stringify(tasks), JSON.stringify(options)];
  return start(process.execPath, args, { stdin: "", env: { TMPDIR: directory } });
}

/** For a task: a descriptor of the process that runs the pool, in words that do not take the task out of a worker. */
const descriptorOfProcess = (descriptor: number) =>
  `"$(f=fd; echo /proc/$(ps -o ppid= -p $PPID | tr -d ' ')/$f/${descriptor})"`;
const DISTURBED = /Cannot read the results: a task has accessed the stream of results/;

eitherWay("accepts tasks for the next run as soon as a run has ended", async (isolate) => {
  const runner = runnerOf([{ cmd: "echo 1" }], { isolate });
  for (const expected of ["1\n", "2\n", "3\n"]) {
    const outputs: string[] = [];
    for await (const { stdout } of runner.results()) outputs.push(stdout);
    runner.add({ cmd: `echo ${Number(expected) + 1}` });
    assertEquals(outputs, [expected]);
  }
  assertEquals(runner.size, 1);
});

eitherWay("runs tasks and counts their outcomes", async (isolate) => {
  const runner = new TaskRunner({ concurrency: 3, isolate });
  runner.add("text", "echo 1; echo 2 >&2");
  runner.add("program", ["printf", "%s", "$HOME"]);
  runner.add({ id: "bad", cmd: "exit 3", retries: 2, meta: { a: [1] } });
  runner.add({ cmd: "cat", stdin: "in\n", cwd: "/" });
  assertEquals(runner.size, 4);
  const results = new Map<string, TaskResult>();
  const progress: string[] = [];
  const summary = await runner.runAndWait((result, completed, total) => {
    results.set(result.id, result);
    progress.push(`${completed}/${total}`);
  });
  assertEquals(progress, ["1/4", "2/4", "3/4", "4/4"]);
  assertEquals([summary.total, summary.counts], [4, { ok: 3, failed: 1 }]);
  assert(summary.durationMs > 0 && summary.userMs >= 0 && summary.systemMs >= 0);
  const seen = ["text", "program", "bad", "4"].map((id) => {
    const { status, stdout, stderr, attempts, meta } = results.get(id)!;
    return [status, stdout, stderr, attempts, meta];
  });
  assertEquals(seen, [
    [0, "1\n", "2\n", 1, undefined],
    [0, "$HOME", "", 1, undefined],
    [3, "", "", 3, { a: [1] }],
    [0, "in\n", "", 1, undefined],
  ]);
});

eitherWay("can be filled and run again", async (isolate) => {
  const runner = new TaskRunner({ isolate });
  assertEquals((await runner.runAndWait()).total, 0);
  for (const word of ["one", "two"]) {
    runner.add(word, `echo ${word}`);
    const words: string[] = [];
    await runner.runAndWait((result) => words.push(result.id + result.stdout));
    assertEquals(words, [`${word}${word}\n`]);
    assertEquals(runner.size, 0);
  }
});

eitherWay("records commands", async (isolate) => {
  const runner = runnerOf([{ cmd: ["echo", "é"] }, { cmd: "exit 3" }], { isolate, recordCommand: true });
  const commands: TaskResult["cmd"][] = [];
  await runner.runAndWait(({ cmd }) => commands.push(cmd));
  assertEquals(commands.sort(), [["echo", "é"], "exit 3"].sort());
});

eitherWay("rejects a second run during a run", async (isolate) => {
  const runner = runnerOf([{ cmd: "true" }], { isolate });
  await runner.runAndWait(async () => {
    await assertRejects(() => runner.runAndWait(), Error, "Cannot run the tasks: another run is in progress");
  });
});

eitherWay("awaits onResult before the next result", async (isolate) => {
  let running = 0;
  await runnerOf(Array.from({ length: 20 }, () => ({ cmd: "true" })), { isolate }).runAndWait(async () => {
    assertEquals(++running, 1);
    await new Promise((resolve) => setTimeout(resolve));
    running--;
  });
});

eitherWay("ends the run and its processes when onResult throws", async (isolate) => {
  await withTempDirectory(async (directory) => {
    const file = join(directory, "pids");
    const runner = runnerOf([
      { cmd: `until [ -e ${file} ]; do sleep 0.01; done` },
      { cmd: `sleep 300 & echo $$ $PPID $! >${file}.new; mv ${file}.new ${file}; wait` },
    ], { isolate, concurrency: 2 });
    const running = runner.runAndWait(() => {
      throw new RangeError("enough");
    });
    await assertRejects(() => running, RangeError, "enough");
    const pids = (await readFile(file, "utf8")).trim().split(" ").map(Number);
    assertEquals(pids.length, 3);
    await waitFor("the processes to end", () => !pids.some(isAlive));
    runner.add("again", "true");
    assertEquals((await runner.runAndWait()).counts, { ok: 1 });
  });
});

eitherWay("cancels the running tasks when its signal is aborted", async (isolate) => {
  await withTempDirectory(async (directory) => {
    const abort = new AbortController();
    const runner = runnerOf([{ cmd: `touch ${directory}/on; sleep 300` }], { isolate, signal: abort.signal });
    const outcomes: string[] = [];
    const running = runner.runAndWait((result) => outcomes.push(result.outcome));
    await waitFor("the task", () => existsSync(join(directory, "on")));
    abort.abort(new RangeError("enough"));
    await assertRejects(() => running, RangeError, "enough");
    assertEquals(outcomes, ["canceled"]);
    await assertRejects(() => runnerOf([{ cmd: "true" }], { isolate, signal: abort.signal }).runAndWait(), RangeError);
  });
});

eitherWay("has an iterator with the methods of a run", async (isolate) => {
  await withTempDirectory(async (directory) => {
    // The first ends only when the second runs, and the second only when nothing more is to be started.
    const until = (file: string) => `while [ ! -e ${directory}/${file} ]; do sleep 0.01; done`;
    const tasks = [until("second"), `touch ${directory}/second; ${until("drained")}`, "echo never"];
    const results = runnerOf(tasks.map((cmd) => ({ cmd })), { isolate, concurrency: 1 }).results();
    assertEquals(results.concurrency, 1);
    assertThrows(() => (results.concurrency = 0), RangeError, "concurrency must be an integer of at least 1");
    const first = results.next();
    results.concurrency = 2; // also before there is anybody to tell
    await waitFor("the second task", () => existsSync(join(directory, "second")));
    results.concurrency = 1;
    results.drain();
    assertEquals((await first).value!.id, "1");
    await writeFile(join(directory, "drained"), "");
    const rest = await collect(results);
    assert(rest.length === 1 || rest.length === 2, `${rest.length}`); // the third may have been started before the drain
    await results.closed;
  });
});

eitherWay("can be left before the run begins and while it begins", async (isolate) => {
  await withTempDirectory(async (directory) => {
    const runner = new TaskRunner({ isolate });
    for (const begins of [false, true]) {
      runner.add({ cmd: `touch ${directory}/ran; sleep 300` });
      const results = runner.results();
      const first = begins ? results.next() : undefined;
      await results.return();
      await results.closed;
      assertEquals([(await first)?.done ?? true, (await results.next()).done], [true, true]);
    }
    assertEquals((await runner.runAndWait()).total, 0);
  });
});

eitherWay("ends the running tasks when the loop ends early", async (isolate) => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "pid");
    let pid = 0;
    const runner = runnerOf([
      { cmd: `echo $$ > ${path}; exec sleep 300` },
      { cmd: `until [ -s ${path} ]; do sleep 0.01; done; cat ${path}` },
    ], { isolate, concurrency: 2 });
    for await (const { stdout } of runner.results()) {
      pid = Number(stdout);
      break;
    }
    runner.add("never run", "true");
    await runner[Symbol.asyncDispose](); // what `await using` does
    assert(pid > 0 && !isAlive(pid));
  });
});

eitherWay("takes all options of run()", async (isolate) => {
  const seen: Progress[] = [];
  const timeoutMs = TIMEOUT.timeout; // for what is to end by itself
  const commands = ["sleep 0.05", "sleep 300", "yes", "exit 1", "echo never"];
  const tasks = commands.map((cmd) => ({ cmd, ...(cmd !== "sleep 300" && { timeoutMs }) }));
  const runner = runnerOf(tasks, {
    isolate,
    concurrency: 1,
    keepOrder: true,
    timeoutMs: 100,
    killAfterMs: 100,
    maxInlineBytes: 20,
    maxOutputBytes: 10,
    retry: { limit: 1, delayMs: 1 },
    executor: "process",
    halt: { when: "soon", percent: 75 },
    onProgress: (progress) => seen.push(progress),
  });
  const results = runner.results();
  const outcomes: [string, number][] = [];
  for await (const { outcome, attempts } of results) outcomes.push([outcome, attempts]);
  assertEquals(outcomes.slice(0, 4), [["ok", 1], ["timeout", 2], ["output-limit", 1], ["failed", 2]]);
  assertEquals(results.haltedBy, undefined);
  assertEquals(seen.at(-1)!.finished, 5);
  assert(seen.every(({ total }) => total === 5));

  const halted = runnerOf(tasks.slice(3), { isolate, concurrency: 1, halt: { when: "soon" } }).results();
  assertEquals((await collect(halted)).map(({ id }) => id), ["1"]);
  assertEquals(halted.haltedBy?.id, "1");
});

eitherWay("ends the run when onProgress throws", async (isolate) => {
  const runner = runnerOf([{ cmd: "sleep 300" }], {
    isolate,
    onProgress() {
      throw new RangeError("enough");
    },
  });
  await assertRejects(() => runner.runAndWait(), RangeError, "enough");
});

test("TaskRunner rejects invalid options and tasks immediately", () => {
  assertThrows(() => new TaskRunner(0), RangeError, "concurrency must be an integer of at least 1, got 0");
  assertThrows(() => new TaskRunner({ retry: -1 }), RangeError, "retry must be");
  const executor = new FakeExecutor();
  assertThrows(() => new TaskRunner({ executor }), RangeError, "a custom executor needs { isolate: false }");
  assertThrows(() => new TaskRunner({ spawnAdapter }), RangeError, "a custom spawnAdapter needs");
  const onAttemptStart = () => undefined;
  const message = "onAttemptStart is a function of this process; set { isolate: false }";
  assertThrows(() => new TaskRunner({ onAttemptStart }), RangeError, message);
  new TaskRunner({ executor, spawnAdapter, onAttemptStart, isolate: false });
  const runner = new TaskRunner();
  assertThrows(() => runner.add("x", ""), InvalidTaskError, '"cmd" must not be empty');
  assertThrows(() => runner.add({ cmdd: "x" } as unknown as Task), InvalidTaskError, 'did you mean "cmd"');
  assertEquals(runner.size, 0);
});

test("TaskRunner names the directory of a run in no command line", async () => {
  await withTempDirectory(async (directory) => {
    const cmd = "ls $TMPDIR; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'";
    const { stdout } = await startProgram(directory, [{ cmd }], { executor: "process" }).ended;
    const [name, ...lines] = parseResults(stdout)[0]!.stdout.trim().split("\n");
    assertMatch(name!, /^taskrunner-[0-9a-f]{12}$/);
    assertEquals(lines.filter((line) => line.includes(name!)), []);
    assert(lines.some((line) => line.endsWith("main.ts")));
  });
});

test("TaskRunner keeps the tasks in a private file, and removes the file at the end", async () => {
  await withTempDirectory(async (directory) => {
    const cmd = "cd $TMPDIR/taskrunner-*[0-9a-f]/ && stat -c '%a %n' . tasks.jsonl";
    const { stdout } = await startProgram(directory, [{ cmd }], { executor: "process" }).ended;
    assertEquals(parseResults(stdout)[0]!.stdout, "700 .\n600 tasks.jsonl\n");
    assertEquals(await readdir(directory), []);
  });
});

eitherWay("starts few tasks ahead of a slow onResult", async (isolate) => {
  await withTempDirectory(async (directory) => {
    const count = 400;
    const tasks = Array.from({ length: count }, () => ({ cmd: `echo >> ${directory}/ran` }));
    const ran = async () => (await readFile(join(directory, "ran"), "utf8")).length;
    let most = 0;
    await runnerOf(tasks, { isolate, concurrency: 4 }).runAndWait(async (_, completed) => {
      if (completed > 1) return;
      for (let same = 0, before = 0; same < 50; same = most === before ? same + 1 : 0) {
        before = most;
        await new Promise((resolve) => setTimeout(resolve, 10));
        most = await ran();
      }
    });
    assert(most <= 80, `${most} of ${count} tasks were run for one result that was taken`);
    assertEquals(await ran(), count);
  });
});

eitherWay("rejects runAndWait() when the runner is disposed of during a run", async (isolate) => {
  await withTempDirectory(async (directory) => {
    const runner = runnerOf([{ cmd: `touch ${directory}/on; sleep 300` }], { isolate });
    const running = runner.runAndWait();
    await waitFor("the task", () => existsSync(join(directory, "on")));
    const disposals = [runner[Symbol.asyncDispose](), runner[Symbol.asyncDispose]()];
    await assertRejects(() => running, Error, "Cannot finish the run: the runner was disposed of");
    await Promise.all(disposals);
  });
});

eitherWay("accepts Infinity, and sets haltedBy before the result arrives", async (isolate) => {
  const options = { isolate, concurrency: 1, maxOutputBytes: Infinity, maxLoad: Infinity };
  const results = runnerOf([{ cmd: "exit 3" }, { cmd: "true" }], { ...options, halt: {} }).results();
  for await (const { id } of results) assertEquals([id, results.haltedBy?.status], ["1", 3]);
});

eitherWay("runs large tasks", async (isolate) => {
  const stdin = "é".repeat(400_000);
  const runner = runnerOf(Array.from({ length: 4 }, () => ({ cmd: "wc -c", stdin })), { isolate });
  const sizes: number[] = [];
  await runner.runAndWait(({ stdout }) => sizes.push(Number(stdout)));
  assertEquals(sizes, [800_000, 800_000, 800_000, 800_000]);
});

eitherWay("takes standard input as text, as bytes or from a file", async (isolate) => {
  const bytes = Uint8Array.from({ length: 1_000_000 }, (_, index) => index);
  const runner = runnerOf([
    { id: "bytes", cmd: "cat", stdin: bytes.subarray(254, 258) },
    { id: "many", cmd: "cksum", stdin: bytes },
    { id: "path", cmd: "cat", stdin: { file: "sys/kernel/ostype" }, cwd: "/proc" },
    { id: "url", cmd: "cat", stdin: { file: new URL("file:///proc/sys/kernel/ostype") } },
    { id: "line", cmd: ["cat"], stdin: "AAE=", stdinEncoding: "base64" },
    { id: "missing", cmd: ["cat"], stdinFile: "/no/such/file" },
  ], { isolate, maxInlineBytes: 1_000 });
  bytes.fill(0, 254, 258); // the tasks are as they were added
  const results = new Map<string, TaskResult>();
  await runner.runAndWait((result) => results.set(result.id, result));
  const outputs = ["bytes", "path", "url", "line"].map((
    id,
  ) => [results.get(id)!.stdout, results.get(id)!.stdoutEncoding]);
  assertEquals(outputs, [["/v8AAQ==", "base64"], ["Linux\n", undefined], ["Linux\n", undefined], [
    "\0\x01",
    undefined,
  ]]);
  assertEquals(results.get("many")!.stdout.split(" ")[1], "1000000\n");
  assertEquals(
    results.get("missing")!.error,
    'Cannot start the task: the file for standard input "/no/such/file" does not exist',
  );
});

eitherWay("answers several calls of next() at once", async (isolate) => {
  const results = runnerOf([{ cmd: "true" }, { cmd: "true" }], { isolate }).results();
  const three = await Promise.all([results.next(), results.next(), results.next()]);
  assertEquals(three.map(({ done }) => done), [false, false, true]);
});

test("runtimeCommand() rejects a bundled program", () => {
  const isolated = "file:///app/isolate/main.js";
  for (const entry of ["file:///app/bundle.js", ...RUNTIME === "deno" ? [] : [isolated]]) {
    const bundled = () => runtimeCommand(entry, "sh", []);
    assertThrows(bundled, Error, "this program is bundled, and has no module that another process can run");
  }
});

test("the process removes nothing from a directory that is not its own", async () => {
  await withTempDirectory(async (directory) => {
    await writeFile(join(directory, "tasks.jsonl"), "");
    const args = [...RUN_MODULE, join(PROJECT, "isolate", "main.ts")];
    const { status, stderr } = await start(process.execPath, args, { stdin: jsonLines([directory]), mayCrash: true })
      .ended;
    assert(status !== 0);
    assertMatch(stderr, /Cannot run this module: only a TaskRunner starts it/);
    assertEquals(await readdir(directory), ["tasks.jsonl"]);
  });
});

if (RUNTIME === "deno") {
  test("TaskRunner gives its process no permission of Deno that the program lacks", async () => {
    await withTempDirectory(async (directory) => {
      const program = join(PROJECT, "tests", "fixtures", "run_tasks.ts");
      const tasks = [{ cmd: "echo hi" }, { cmd: ["sh", "-c", "tr '\\0' '\\n' < /proc/$PPID/cmdline"] }];
      const run = async (permissions: string[]) => {
        const args = ["run", "--no-prompt", ...permissions, program, JSON.stringify(tasks), '{"executor":"process"}'];
        return (await start(process.execPath, args, { stdin: "", env: { TMPDIR: directory } }).ended).stdout;
      };
      const [first, second] = parseResults(
        await run(["--allow-run", "--allow-read", "--allow-write", "--allow-env=TMPDIR"]),
      );
      assertEquals(first!.stdout, "hi\n");
      assertEquals(second!.stdout.split("\n").filter((word) => word.startsWith("--allow")), [
        "--allow-run",
        "--allow-read",
        "--allow-write",
      ]);
      const paths = `${directory},${join(PROJECT, "tests")}`;
      const limited = [`--allow-run=sh,${process.execPath}`, `--allow-read=${paths}`, `--allow-write=${directory}`];
      const [third, fourth] = parseResults(await run([...limited, "--allow-env=TMPDIR"]));
      assertEquals([third!.stdout, fourth!.status], ["hi\n", 0]);
      assertEquals(fourth!.stdout.split("\n").filter((word) => word.startsWith("--allow")), [
        "--allow-run=sh",
        `--allow-read=${directory}`,
        `--allow-write=${directory}`,
      ]);
      const refused = await run(["--allow-read", "--allow-env=TMPDIR"]);
      assertMatch(
        refused,
        /Cannot start a process for the tasks: .*; \{ isolate: false \} runs the tasks in this process/,
      );
    });
  });
}

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  test(`TaskRunner leaves no process and no file when ${signal} ends the program`, async () => {
    await withTempDirectory(async (directory) => {
      // A task runs below its worker, and that below the process which runs the pool.
      const says = "echo $$ $PPID $(ps -o ppid= -p $PPID) $(f=fd; readlink /proc/self/$f/2)";
      const tasks = [1, 2].map((id) => ({ id, cmd: `${says} > ${directory}/task${id}; sleep 300; :` }));
      const { child, ended } = startProgram(directory, tasks, { concurrency: 2 });
      const said = async (id: number) => (await readFile(join(directory, `task${id}`), "utf8")).trim().split(/\s+/);
      const all = () => Promise.all([1, 2].map(said)).catch(() => []);
      await waitFor("the tasks", async () => (await all()).map((words) => words.length).join() === "4,4");
      const [pids, outputs] = [
        (await all()).flatMap((words) => words.slice(0, 3).map(Number)),
        (await all()).map((words) => words[3]!),
      ];
      assertEquals([...pids.map(isAlive), ...outputs.map(existsSync)], Array(8).fill(true));
      process.kill(child.pid!, signal);
      await ended;
      await waitFor("the processes to end", () => !pids.some(isAlive));
      await waitFor("the files to go", async () => (await readdir(directory)).sort().join() === "task1,task2");
      assertEquals(outputs.map((path) => existsSync(dirname(dirname(path)))), [false, false]);
    });
  });
}

test("TaskRunner reports how its process died, and how many results had arrived", async () => {
  await withTempDirectory(async (directory) => {
    const cmd = `echo $$ > ${directory}/pid; exec sleep 300`;
    const runner = runnerOf([{ cmd: "true" }, { cmd }], { concurrency: 1 });
    let given = 0;
    const running = runner.runAndWait(() => given++);
    let pid = 0;
    await waitFor("the task", async () => pid = Number(await readFile(join(directory, "pid"), "utf8").catch(() => 0)));
    await waitFor("the first result", () => given === 1);
    process.kill(parentOf(parentOf(pid)), "SIGKILL");
    const expected = "Cannot run the tasks: their process was ended by SIGKILL after 1 of 2 results";
    await assertRejects(() => running, ExecutorError, expected);
    runner.add("again", "true");
    assertEquals((await runner.runAndWait()).counts, { ok: 1 });
    await waitFor("the end of the task", () => !isAlive(pid));
  });
});

test("TaskRunner reports the standard error of a process that cannot start", async () => {
  const [name, value, said] = ({
    deno: ["DENO_V8_FLAGS", "--no-such-flag", /V8 did not recognize flag '--no-such-flag'/],
    bun: ["BUN_OPTIONS", "--preload /missing.ts", /preload not found/],
    node: ["NODE_OPTIONS", "--require /missing.cjs", /Cannot find module '\/missing.cjs'/],
  } as const)[RUNTIME];
  await withVariable(name, value, async () => {
    const error = await assertRejects(() => runnerOf([{ cmd: "true" }]).runAndWait(), ExecutorError);
    assertMatch(
      error.message,
      /^Cannot run the tasks: their process exited with status 1 after 0 of 1 results; its standard error: /,
    );
    assertMatch(error.message, said);
  });
});

test("TaskRunner reports a missing directory for temporary files, and a remedy", async () => {
  await withTempDirectory(async (directory) => {
    const missing = join(directory, "missing");
    const { stdout } = await startProgram(missing, [{ cmd: "true" }]).ended;
    const expected =
      `ExecutorError: Cannot write the tasks to a file in ${missing}: no such file or directory; set TMPDIR to a `;
    assertEquals(stdout.slice(0, expected.length), expected);
    const within = await startProgram(missing, [{ cmd: "echo 1" }], { isolate: false }).ended;
    assertMatch(within.stdout, /"stdout":"1\\n"/);
  });
});

test("TaskRunner leaves nothing behind when it is stopped while the run begins", async () => {
  await withTempDirectory(async (directory) => {
    await withVariable("TMPDIR", directory, async () => {
      const cmd = `echo $$ > ${directory}/started; sleep 300`;
      for (let turns = 1; turns <= 2 ** 16; turns *= 2) {
        const stop = new AbortController();
        const running = runnerOf([{ cmd }], { signal: stop.signal }).runAndWait();
        running.catch(() => {});
        for (let turn = 1; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
        stop.abort(new Error("enough"));
        await assertRejects(() => running, Error, "enough");
        assertEquals((await readdir(directory)).filter((name) => name !== "started"), []);
      }
    });
  });
});

test("TaskRunner cancels its tasks when its process gets SIGTERM", async () => {
  const runner = runnerOf([{ cmd: "true" }, { cmd: "kill -TERM $(ps -o ppid= -p $PPID); sleep 300" }], {
    concurrency: 1,
  });
  const outcomes: string[] = [];
  const running = runner.runAndWait(({ outcome }) => outcomes.push(outcome));
  await assertRejects(() => running, Error, "Cannot run the tasks: their process received SIGTERM");
  assertEquals(outcomes, ["ok", "canceled"]);
});

test("TaskRunner accepts no result that a task forged", async () => {
  const forged = '["x","result",{"id":"forged","status":0,"stdout":"","stderr":""}]';
  const places = ["/dev/stdout", "/dev/stderr", "/dev/tty"];
  const tasks = places.map((place) => ({ id: place, cmd: `echo '${forged}' >> ${place}` }));
  const descriptors = [3, 4, 5, 6, 7, 8, 9].map((fd) => ({ id: `${fd}`, cmd: `echo '${forged}' >&${fd}` }));
  for (const executor of ["shell", "process"] as const) {
    const ids: string[] = [];
    await runnerOf([...tasks, ...descriptors], { executor }).runAndWait(({ id }) => ids.push(id));
    assertEquals(ids.sort(), [...places, "3", "4", "5", "6", "7", "8", "9"].sort());
  }
  // One that finds out where the results go can disturb them, and that is noticed; and no command can be made up, either.
  for (const line of [forged, "5", "no JSON"]) {
    for (const descriptor of [0, 1]) {
      const write = `echo '${line}' > ${descriptorOfProcess(descriptor)}`;
      const outcome = await runnerOf([{ cmd: write }]).runAndWait().catch(String);
      if (typeof outcome === "string") assertMatch(outcome, DISTURBED);
      else assertEquals(Object.values(outcome.counts), [1]); // with sockets the task failed
    }
  }
});

test("TaskRunner accepts no result that a task changed", async () => {
  const change = 'sed -u \'s/true/forged/g; s/"status":0/"status":9/\'';
  const thief = `exec 3<> ${descriptorOfProcess(1)} && ${change} <&3 >&3`;
  const tasks = Array.from({ length: 500 }, (_, index) => ({ id: `true${index}`, cmd: "true" }));
  const results: TaskResult[] = [];
  const runner = runnerOf([{ id: "thief", cmd: thief, timeoutMs: 500 }, ...tasks], { concurrency: 2 });
  const outcome = await runner.runAndWait((result) => results.push(result)).catch(String);
  if (typeof outcome === "string") assertMatch(outcome, DISTURBED);
  else assertEquals(results.length, 501);
  for (const { id, status } of results) if (id !== "thief") assertEquals([/^true\d+$/.test(id), status], [true, 0]);
});

for (const isolate of [true, false]) {
  const where = isolate ? "in a process of its own" : "in this process";
  test(`TaskRunner uses the executor of a factory ${where}`, async () => {
    const notices: string[] = [];
    const executor = executorFactory({ status: 3, onNotice: (text) => notices.push(text) });
    const runner = new TaskRunner({ executor, isolate, maxInlineBytes: 1234 });
    runner.add("a", "no-such-program");
    const statuses: unknown[] = [];
    await runner.runAndWait(({ status }) => statuses.push(status));
    assertEquals([statuses, notices], [[3], ["1234"]]);
  });
}

eitherWay("keeps the class, the cause and the code of errors", async (isolate) => {
  const failure = (error: "plain" | "executor" | "shortage", ErrorClass: new (message: string) => Error) => {
    const runner = new TaskRunner({ executor: failingFactory({ error }), isolate });
    runner.add("a", "true");
    return assertRejects(() => runner.runAndWait(), ErrorClass);
  };
  const plain = await failure("plain", ExecutorError);
  const inner = plain.cause as Error & { code: string };
  assertEquals([plain.name, plain.message, inner.message, inner.code], [
    "ExecutorError",
    "no server",
    "no server",
    "ECONNREFUSED",
  ]);
  assert(inner.cause instanceof TypeError);
  const executor = await failure("executor", ExecutorError);
  assert(executor.message === "no broker" && executor.cause instanceof RangeError);
  const shortage = await failure("shortage", ResourceShortageError);
  assertEquals([shortage.name, shortage.message], ["ResourceShortageError", "too few of everything"]);
});

eitherWay("accepts file: URLs as cwd and spillDir", async (isolate) => {
  await withTempDirectory(async (directory) => {
    const path = join(await realpath(directory), "a b");
    await mkdir(path);
    const cwd = pathToFileURL(path);
    for (const executor of ["shell", "process"] as const) {
      const spillDir = pathToFileURL(join(path, executor));
      const options: TaskRunnerOptions = { isolate, executor, spillDir, maxInlineBytes: 2 };
      for await (const { outcome, stdoutFile } of runnerOf([{ cmd: ["pwd", "-P"], cwd }], options).results()) {
        assertEquals([outcome, stdoutFile], ["ok", join(path, executor, "1.stdout")]);
        assertEquals(await readFile(stdoutFile!, "utf8"), `${path}\n`);
      }
    }
    const wrong = { isolate, spillDir: new URL("http://localhost/") };
    const expected = 'spillDir must be a path or the file: URL of a path on this machine, got "http://localhost/"';
    assertThrows(() => new TaskRunner(wrong), RangeError, `Cannot start the pool: ${expected}`);
  });
});

test("TaskRunner rejects a factory without a module unless isolate is false", () => {
  const { create } = executorFactory({ status: 0 });
  assertThrows(() => new TaskRunner({ executor: { create } }), RangeError, "a custom executor needs");
});

test("TaskRunner creates no executor before a run, and has the concurrency of the factory", async () => {
  let created = 0;
  const factory = executorFactory({ status: 0 });
  const executor: ExecutorFactory = {
    ...factory,
    concurrency: 7,
    create(settings) {
      created++;
      return factory.create(settings);
    },
  };
  for (const isolate of [true, false]) {
    const runner = new TaskRunner({ executor, isolate });
    assertEquals(created, 0);
    runner.add("a", "true");
    const results = runner.results();
    if (isolate) assertEquals(results.concurrency, 7);
    assertEquals((await collect(results)).length, 1);
  }
  assertEquals(created, 1); // the other process imported the module
});

test("natsExecutor() has the default concurrency of its executors", () => {
  const factory = natsExecutor({ servers: "127.0.0.1", queue: "q" });
  const settings = { shell: "sh", maxInlineBytes: 1, maxOutputBytes: 1, killAfterMs: 1, spillDir: undefined };
  assert(factory.concurrency! > 1_000);
  assertEquals(factory.create(settings).concurrency, factory.concurrency);
});
