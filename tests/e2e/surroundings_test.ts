import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, readFile, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertRejects } from "@std/assert/rejects";
import { assertStringIncludes } from "@std/assert/string-includes";
import { run, type Task, type TaskResult, TaskRunner } from "../../mod.ts";
import {
  EFFORT,
  jsonLines,
  shell,
  skipTest,
  startTaskrunner,
  taskrunner,
  TIMEOUT,
  waitFor,
} from "../support/helpers.ts";
import { Sandbox } from "../support/sandbox.ts";
import { test } from "../support/test.ts";

const EXECUTORS = ["shell", "process"] as const;
const LONG = { timeout: TIMEOUT.timeout * EFFORT };

/** Changes to a results file while a run writes to it, and the error of each. */
const CHANGES: [name: string, change: (file: string) => Promise<void>, error: RegExp | undefined][] = [
  ["removed", (file) => rm(file), /: the file was removed or replaced while the run wrote to it\n$/],
  ["replaced by another file", async (file) => {
    await writeFile(`${file}.new`, "other\n");
    await rename(`${file}.new`, file);
  }, /was removed or replaced/],
  ["replaced by a directory", (file) => rm(file).then(() => mkdir(file)), /was removed or replaced/],
  ["replaced by a symbolic link", (file) => rm(file).then(() => symlink("/dev/null", file)), /was removed or replaced/],
  ["emptied", (file) => truncate(file, 0), /: the file was changed by another program while the run wrote to it\n$/],
  [
    "truncated within a line",
    async (file) => truncate(file, (await readFile(file)).length - 5),
    /was changed by another program/,
  ],
  ["written to", (file) => writeFile(file, "{}\n", { flag: "a" }), /was changed by another program/],
  ["renamed", (file) => rename(file, `${file}.old`), undefined],
];

for (const executor of EXECUTORS) {
  test(`a results file that is moved or changed during a run is an error, with ${executor}`, LONG, async () => {
    // The run checks the file before it writes a result, and at its end: one executor tests each.
    const isLast = executor === "process";
    const tasks = ["first", "second"].map((id) => ({ id, cmd: `echo ${id}` }));
    for (const [name, change, error] of CHANGES) {
      await Sandbox.with(async (sandbox) => {
        const { child, ended } = sandbox.start(["-q", "-j1", "-o", sandbox.output, "--executor", executor]);
        child.stdin!.write(jsonLines(tasks.slice(0, 1)));
        await waitFor("a result", () => existsSync(sandbox.output) && readFileSync(sandbox.output).length > 0);
        await change(sandbox.output);
        child.stdin!.end(isLast ? "" : jsonLines(tasks.slice(1)));
        const { status, stderr } = await ended;
        assertEquals(status, error ? 255 : 0, `${name}: ${stderr}`);
        if (error) assertMatch(stderr, error);
        else assertEquals(sandbox.results(`${sandbox.output}.old`).length, isLast ? 1 : 2);
        await sandbox.waitForCleanup();
        if (name !== "emptied" && name !== "truncated within a line") return;
        const again = await (await sandbox.run(tasks, ["-j1", "--resume", "--executor", executor])).ended;
        assertEquals(again.status, 0, again.stderr);
        sandbox.assertOneResultEach(tasks.map(({ id }) => id));
      });
    }
  });
}

test(
  "results are written while standard input stalls, and a signal ends the run at once",
  LONG,
  async () => {
    for (const executor of EXECUTORS) {
      await Sandbox.with(async (sandbox) => {
        const { child, ended } = sandbox.start(["-q", "-j2", "-o", sandbox.output, "--executor", executor]);
        child.stdin!.write(`${jsonLines([{ cmd: "echo early" }])}{"cmd":"echo ha`);
        await waitFor("the first result", () => existsSync(sandbox.output) && readFileSync(sandbox.output).length > 0);
        assertEquals(sandbox.results().map(({ stdout }) => stdout), ["early\n"]);
        child.stdin!.write(`lf"}\n`);
        await waitFor("the second result", () => sandbox.results().length === 2);
        process.kill(child.pid!, "SIGTERM");
        const { status, stderr } = await ended;
        assertEquals([status, stderr], [143, "taskrunner: SIGTERM: ending the run\n"]);
        assertEquals(sandbox.results().map(({ outcome }) => outcome), ["ok", "ok"]);
        await sandbox.waitForCleanup();
      });
    }
  },
);

test("standard input can be truncated, unterminated, closed, empty or a directory", LONG, async () => {
  const lines = jsonLines([{ cmd: "echo 1" }]);
  const cut = await taskrunner(["-j1"], { stdin: `${lines}{"cmd":"echo 2` });
  assertEquals([cut.status, cut.results.map(({ stdout }) => stdout)], [255, ["1\n"]]);
  assertStringIncludes(cut.stderr, "standard input:2: Cannot read the line: it is not valid JSON");
  const unfinished = await taskrunner(["-j1"], { stdin: `${lines}{"cmd":"echo 2"}` });
  assertEquals([unfinished.status, unfinished.results.map(({ stdout }) => stdout)], [0, ["1\n", "2\n"]]);
  for (
    const [from, expected, error] of [["<&-", 0, ""], ["</dev/null", 0, ""], ["</", 255, "it is a directory"]] as const
  ) {
    const { status, stdout, stderr } = await shell(`$RUNTIME cli.ts -q ${from}`);
    assertEquals([status, stdout], [expected, ""], `${from} ${stderr}`);
    assertStringIncludes(stderr, error);
  }
});

/** Returns the number of open descriptors and the child processes of this program. */
function ownResources(): { descriptors: number; children: number[] } {
  const threads = readdirSync("/proc/self/task");
  const children = threads.flatMap((thread) => {
    try {
      return readFileSync(`/proc/self/task/${thread}/children`, "latin1").trim().split(" ").map(Number);
    } catch {
      return []; // the thread has just ended
    }
  });
  return { descriptors: readdirSync("/proc/self/fd").length, children: children.filter((pid) => pid > 0) };
}

/** Ways to consume results. */
const CONSUMERS: Record<string, (results: AsyncIterableIterator<TaskResult>) => Promise<void>> = {
  async "reads all"(results) {
    for await (const _ of results);
  },
  async "is slow"(results) {
    for await (const _ of results) await sleep(2);
  },
  async "breaks at the first"(results) {
    for await (const _ of results) break;
  },
  async throws(results) {
    await assertRejects(
      async () => {
        for await (const _ of results) throw new Error("enough");
      },
      Error,
      "enough",
    );
  },
  async "returns during next()"(results) {
    const first = results.next();
    await results.return!();
    await first;
  },
};

test("a consumer that is slow, stops or throws leaks neither processes nor descriptors", LONG, async () => {
  const tasks = (count: number) =>
    Array.from({ length: count }, (_, i): Task => ({ id: `${i}`, cmd: "echo hello; sleep 0.002" }));
  const consumeAll = async () => {
    for (const consume of Object.values(CONSUMERS)) {
      for (const executor of EXECUTORS) await consume(run(tasks(8), { concurrency: 3, executor }));
      const runner = new TaskRunner({ concurrency: 3 });
      for (const { id, cmd } of tasks(8)) runner.add(String(id), cmd);
      await consume(runner.results());
    }
  };
  await consumeAll(); // the runtime opens some descriptors once
  const before = ownResources();
  for (let round = 0; round < 2 * EFFORT; round++) await consumeAll();
  await waitFor("the end of all processes", () => ownResources().children.length <= before.children.length);
  await waitFor(
    `no more than ${before.descriptors} descriptors, now ${ownResources().descriptors}`,
    () => ownResources().descriptors <= before.descriptors,
  );
});

test("a slow consumer limits how far run() reads ahead, and gets every result", LONG, async () => {
  for (const executor of EXECUTORS) {
    let read = 0;
    const source = function* (): Generator<Task> {
      for (; read < 60; read++) yield { id: `${read}`, cmd: `echo ${read}` };
    };
    const ids: string[] = [];
    for await (const { id, stdout } of run(source(), { concurrency: 2, executor })) {
      assertEquals(stdout, `${id}\n`);
      ids.push(id);
      if (ids.length % 10 === 0) await sleep(50);
      // Two running tasks, two results that wait for the consumer, and one task read ahead.
      assert(read - ids.length <= 2 * 2 + 1, `${read} tasks read, ${ids.length} results consumed`);
    }
    assertEquals(new Set(ids).size, 60);
  }
});

test("a clock that is set during a run changes no duration or timeout", LONG, async () => {
  // Loads the library inside the sandbox instead of running the command faketime, because it leaves files in /dev/shm.
  const preload = readdirSync("/usr/lib").map((name) => `/usr/lib/${name}/faketime/libfaketime.so.1`).find(existsSync);
  if (!preload) return skipTest("no faketime");
  for (const executor of EXECUTORS) {
    await Sandbox.with(async (sandbox) => {
      const clock = join(sandbox.directory, "clock");
      await writeFile(clock, "+0\n");
      const set = (seconds: string) => `echo '${seconds}' > ${clock}.$$; mv ${clock}.$$ ${clock}`;
      const env = {
        FAKETIME_TIMESTAMP_FILE: clock,
        FAKETIME_NO_CACHE: "1",
        FAKETIME_DONT_FAKE_MONOTONIC: "1",
      };
      const unset = { LD_PRELOAD: "" }; // only the run sees the false clock
      const tasks: Task[] = [
        { id: "before", cmd: "true", env: unset },
        { id: "back", cmd: `${set("-7200")}; sleep 0.1`, env: unset },
        { id: "late", cmd: "exec sleep 60", timeoutMs: 200, env: unset },
        { id: "again", cmd: "exit 1", retries: 1, env: unset },
        { id: "forth", cmd: `${set("+7200")}; sleep 0.1`, env: unset },
        { id: "after", cmd: "true", env: unset },
        { id: "late after", cmd: "exec sleep 60", timeoutMs: 200, env: unset },
        { id: "back again", cmd: `${set("-3600")}; sleep 0.1`, env: unset },
      ];
      const args = ["-j1", "--delay", "20ms", "--retry-delay", "50ms", "--executor", executor];
      const startedMs = performance.now();
      const { status, stderr } = await (await sandbox.run(tasks, args, { env }, `export LD_PRELOAD=${preload}`)).ended;
      const tookMs = performance.now() - startedMs;
      assertEquals(status, 3, stderr);
      sandbox.assertOneResultEach(tasks.map(({ id }) => String(id)));
      const results = new Map(sandbox.results().map((result) => [result.id, result]));
      for (const { id, durationMs } of results.values()) {
        assert(durationMs >= 0 && durationMs < tookMs, `${id} took ${durationMs} of ${tookMs} ms`);
      }
      for (const id of ["back", "forth", "back again"]) assert(results.get(id)!.durationMs >= 100, id);
      for (const id of ["late", "late after"]) {
        const { outcome, durationMs } = results.get(id)!;
        assertEquals(outcome, "timeout");
        assert(durationMs >= 190, `${durationMs}`);
      }
      // Without this, the test would also pass if the clock never changed.
      const [before, late, after] = ["before", "late", "after"].map((id) => Date.parse(results.get(id)!.startedAt));
      assert(late! < before! - 3_600_000 && after! > before! + 3_600_000, `${before} ${late} ${after}`);
      const stats = await startTaskrunner(["stats", sandbox.output, "--json"], { stdin: "" }).ended;
      assertEquals([stats.status, stats.stderr], [0, ""]);
      assert(!/:-\d|null|NaN/.test(stats.stdout), stats.stdout);
      const report = await startTaskrunner(["report", sandbox.output, "-o", join(sandbox.directory, "report.html")], {
        stdin: "",
      }).ended;
      assertEquals([report.status, report.stderr], [0, ""]);
      const trace = await startTaskrunner(["trace", sandbox.output], { stdin: "" }).ended;
      assertEquals([trace.status, trace.stderr], [0, ""]);
      assert(!/"dur":-/.test(trace.stdout), trace.stdout);
      await waitFor("the end of all processes", () => sandbox.processes().length === 0);
      assertEquals(sandbox.temporaryFiles().filter((file) => !file.includes("faketime_")), []);
    });
  }
});
