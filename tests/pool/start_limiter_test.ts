import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import { parseLoad } from "../../cli/args/units.ts";
import { freeMemoryBytes } from "../../system/free_memory.ts";
import { systemLoad } from "../../system/system_load.ts";
import { type Progress, run, type Task } from "../../mod.ts";
import { StartLimiter, type StartLimits } from "../../pool/start_limiter.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { FakeExecutor, instantExecutor } from "../support/fake_executor.ts";
import {
  collect,
  jsonLines,
  parseResults,
  shell,
  skipTest,
  startShell,
  startTaskrunner,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Returns a factory of start limiters, and the fake system that they measure. */
function fakeSystem(limits: Partial<StartLimits>) {
  const system = { nowMs: 0, load: 0, freeBytes: Infinity, measurements: 0 };
  const seen = <T>(value: T): T => {
    system.measurements++;
    if (Number.isNaN(value)) throw Object.assign(new Error("no descriptor"), { code: "EMFILE" });
    return value;
  };
  const make = () =>
    new StartLimiter({ startDelayMs: 0, maxLoad: undefined, minFreeMemoryBytes: undefined, ...limits }, {
      nowMs: () => system.nowMs,
      load: () => seen(system.load),
      freeMemoryBytes: () => seen(system.freeBytes),
    });
  return { system, make };
}

test("StartLimiter.check() returns the remaining delay after a start", () => {
  const { system, make } = fakeSystem({ startDelayMs: 50 });
  const limiter = make();
  assertEquals(limiter.check(0), undefined);
  limiter.recordStart();
  system.nowMs = 20;
  assertEquals(limiter.check(1), { reason: "delay", waitMs: 30 });
  system.nowMs = 50;
  assertEquals(limiter.check(1), undefined);
});

test("StartLimiter counts each running task as 1 between two measurements of the load", () => {
  const { system, make } = fakeSystem({ maxLoad: 3 });
  system.load = 1;
  const limiter = make();
  assertEquals([0, 1, 2, 1].map((running) => limiter.check(running)?.reason), [
    undefined,
    undefined,
    "load",
    undefined,
  ]);
  assertEquals(system.measurements, 1);
  system.nowMs = 1_000;
  system.load = 0; // the running tasks and all other programs sleep
  assertEquals([2, 3, 4, 5].map((running) => limiter.check(running)?.reason), [
    undefined,
    undefined,
    undefined,
    "load",
  ]);
  assertEquals(system.measurements, 2);
});

test("StartLimiter reuses a measurement of free memory for 10 ms", () => {
  const { system, make } = fakeSystem({ minFreeMemoryBytes: 1_000 });
  system.freeBytes = 1_000;
  const limiter = make();
  assertEquals(limiter.check(1), undefined);
  system.freeBytes = 999;
  assertEquals(limiter.check(2), undefined);
  system.nowMs = 10;
  assertEquals(limiter.check(2), { reason: "memory", waitMs: 100 });
});

test("StartLimiter throws when the first measurement fails, and reuses the last value afterwards", () => {
  for (const [limits, name] of [[{ maxLoad: 1 }, "load"], [{ minFreeMemoryBytes: 5 }, "freeBytes"]] as const) {
    const { system, make } = fakeSystem(limits);
    system[name] = NaN;
    assertThrows(make, Error, "Cannot start the pool: the load or the free memory is unavailable: too many open files");
    system[name] = 1;
    const limiter = make();
    system[name] = NaN;
    system.nowMs = 5_000;
    assert(limiter.check(0));
  }
});

test("startDelayMs applies to all attempts, and Progress.throttledBy has the reason", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    const executor = instantExecutor();
    const seen: Progress[] = [];
    const startsMs: number[] = [];
    executor.onStart = (execution) => {
      startsMs.push(clock.nowMs);
      execution.end({ status: execution.attempt.number === 1 ? 1 : 0 });
    };
    const tasks = [1, 2, 3].map((id) => ({ id, cmd: "x" }));
    const options = { executor, concurrency: 3, startDelayMs: 30, retry: 1 };
    const all = collect(run(tasks, { ...options, onProgress: (progress) => seen.push(progress) }));
    await clock.advance(5 * options.startDelayMs);
    assertEquals((await all).map(({ outcome }) => outcome), ["ok", "ok", "ok"]);
    assertEquals(startsMs, [0, 30, 60, 90, 120, 150]);
    assert(seen.some(({ throttledBy }) => throttledBy === "delay"));
  });
});

test("onProgress() reports a delayed start once", async () => {
  const executor = instantExecutor();
  const held: Progress[] = [];
  const results = run([{ cmd: "x" }, { cmd: "y" }, { cmd: "z" }], {
    executor,
    concurrency: 3,
    startDelayMs: 86_400_000,
    onProgress: (progress) => progress.throttledBy && held.push(progress),
  });
  assertEquals((await results.next()).value!.id, "1");
  const next = results.next();
  await waitFor("the report", () => held.length > 0);
  await new Promise((resolve) => setTimeout(resolve));
  const times = held.length; // one report, and one with the result
  for (const concurrency of [2, 3, 4]) results.concurrency = concurrency; // each change looks for tasks to start
  assertEquals([executor.executions.length, held.length, held[0]!.throttledBy], [1, times, "delay"]);
  results.drain();
  assertEquals((await next).done, true);
});

test("a run without tasks to start does not wait for its limits", async () => {
  const executor = instantExecutor();
  const never = { executor, minFreeMemoryBytes: 2 ** 60 };
  assertEquals(await collect(run([], never)), []);
  const [only] = await collect(run([{ cmd: "x" }], { executor, startDelayMs: 86_400_000 }));
  assertEquals(only!.outcome, "ok");
});

test("onProgress() may end the run at a delayed start", async () => {
  for (const end of ["drain", "throw"] as const) {
    const executor = new FakeExecutor();
    executor.onStart = (execution) => execution.end({ status: 1 });
    const results = run([{ cmd: "x" }], {
      executor,
      retry: 1,
      startDelayMs: 86_400_000,
      onProgress({ throttledBy }) {
        if (!throttledBy) return;
        if (end === "throw") throw new RangeError("enough");
        results.drain();
      },
    });
    const { value } = await results.next();
    assertEquals([value!.outcome, value!.attempts], ["canceled", 1]);
    if (end === "throw") await assertRejects(() => results.next(), RangeError, "enough");
    else assertEquals((await results.next()).done, true);
  }
});

test("throttledBy is absent after the start of the last task, even if onProgress() changes the concurrency", async () => {
  const executor = new FakeExecutor();
  const seen: Progress[] = [];
  const results = run([{ cmd: "x" }], {
    executor,
    concurrency: 2,
    startDelayMs: 86_400_000,
    onProgress(progress) {
      if (seen.push(progress) === 1) results.concurrency = 3;
    },
  });
  const all = collect(results);
  await waitFor("the attempt", () => executor.executions.length === 1);
  executor.executions[0]!.end();
  await all;
  assertEquals(seen.map(({ finished, throttledBy }) => [finished, throttledBy]), [[0, undefined], [1, undefined]]);
});

test("a delayed retry starts before a task that is read at the end of the delay", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    const executor = new FakeExecutor();
    const order: string[] = [];
    executor.onStart = (execution) => {
      const { sequence, number } = execution.attempt;
      order.push(`${sequence}.${number}`);
      execution.end({ status: order.length === 1 ? 1 : 0 });
    };
    const second = Promise.withResolvers<Task>();
    async function* source() {
      yield { cmd: "x" };
      yield await second.promise;
    }
    const all = collect(run(source(), { executor, concurrency: 2, retry: 1, startDelayMs: 20 }));
    await clock.advance(19);
    clock.passes(1); // the timer has not fired yet
    second.resolve({ cmd: "y" });
    await clock.advance(20);
    assertEquals((await all).length, 2);
    assertEquals(order, ["1.1", "1.2", "2.1"]);
  });
});

test("throttledBy is absent while no slot is free", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    const executor = new FakeExecutor();
    const seen: Progress[] = [];
    const results = run([1, 2, 3].map((id) => ({ id, cmd: "x" })), {
      executor,
      concurrency: 3,
      startDelayMs: 20,
      onProgress: (progress) => seen.push(progress),
    });
    const all = collect(results);
    await clock.advance(20);
    assertEquals([seen.at(-1)!.running, seen.at(-1)!.throttledBy], [2, "delay"]);
    results.concurrency = 1;
    executor.executions[0]!.end();
    await clock.advance(20);
    assertEquals([seen.at(-1)!.running, seen.at(-1)!.throttledBy], [1, undefined]);
    executor.onStart = (execution) => execution.end();
    executor.executions[1]!.end();
    assertEquals((await all).length, 3);
  });
});

test("drain(), return() and an abort end a run whose starts are delayed", async () => {
  for (const end of ["drain", "return", "abort"] as const) {
    const abort = new AbortController();
    const results = run([{ cmd: "x" }], {
      executor: instantExecutor(),
      startDelayMs: 0,
      minFreeMemoryBytes: 2 ** 60,
      signal: abort.signal,
    });
    const next = results.next();
    if (end === "abort") {
      abort.abort(new RangeError("enough"));
      await assertRejects(() => next, RangeError, "enough");
      continue;
    }
    await results[end]();
    assertEquals((await next).done, true);
  }
});

test(
  "a drained run does not keep the program alive for a delayed start or retry",
  async () => {
    const { status, stdout, stderr } = await shell("$RUNTIME tests/fixtures/drain_while_waiting.ts");
    assertEquals([status, stdout, stderr], [0, "canceled\n", ""]);
  },
);

/** Writes files with the given texts, by their paths below a directory. */
async function writeFiles(root: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
}

test("freeMemoryBytes() is the lesser of the free memory of the system and of the control group", async () => {
  const meminfo = { "proc/meminfo": "MemTotal:  9000 kB\nMemFree:  1 kB\nMemAvailable:    8000 kB\n" };
  const second = (path: string, max: string, current: number, cache = 0) => ({
    [`sys/fs/cgroup${path}/memory.max`]: `${max}\n`,
    [`sys/fs/cgroup${path}/memory.current`]: `${current}\n`,
    [`sys/fs/cgroup${path}/memory.stat`]: `anon 5\ninactive_file ${cache}\nactive_file 7\n`,
  });
  const first = {
    "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "5000\n",
    "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "4500\n",
    "sys/fs/cgroup/memory/a/memory.stat": "inactive_file 1\ntotal_inactive_file 100\n",
  };
  const in2 = { "proc/self/cgroup": "0::/a/b\n" };
  const in1 = { "proc/self/cgroup": "3:cpu,memory:/a\n2:pids:/x\n0::/\n" };
  const cases: [Record<string, string>, number][] = [
    [{}, 8000 * 1024],
    [in2, 8000 * 1024],
    [{ ...in2, ...second("/a/b", "max", 4000) }, 8000 * 1024],
    [{ ...in2, ...second("/a/b", "5000", 4000) }, 1000],
    [{ ...in2, ...second("/a/b", "5000", 4000, 3000) }, 4000],
    [{ ...in2, ...second("/a/b", "5000", 4000), ...second("/a", "6000", 5500) }, 500],
    [{ ...in2, ...second("/a/b", "5000", 4000), "sys/fs/cgroup/a/b/memory.high": "4100\n" }, 100],
    [{ ...in2, ...second("", "7000", 4000) }, 3000], // a container that sees only its own group
    [{ ...in1, ...first }, 600],
    [{ ...in1, ...first, "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n" }, 8000 * 1024],
  ];
  for (const [files, expected] of cases) {
    await withTempDirectory(async (root) => {
      await writeFiles(root, { ...meminfo, ...files });
      assertEquals(freeMemoryBytes(root), expected);
    });
  }
  assert(freeMemoryBytes() > 0);
  await withTempDirectory(async (root) => {
    await writeFiles(root, { "proc/meminfo": "MemTotal:  9000 kB\n" });
    assertThrows(() => freeMemoryBytes(root), Error, "/proc/meminfo has no MemAvailable");
  });
});

test("systemLoad() counts threads that use or wait for a CPU or a disk, except threads of the kernel and of this process", async () => {
  const stat = (name: string, state: string, threads = 1, flags = 0) =>
    `1 (${name}) ${state} 1 1 1 0 -1 ${flags} 0 0 0 0 0 0 0 0 20 0 ${threads} 0 5 0 0\n`;
  await withTempDirectory(async (root) => {
    await writeFiles(root, {
      "1/stat": stat("init", "S"),
      "2/stat": stat("kworker", "D", 1, 0x208040),
      "3/stat": stat("a) R (b", "R"),
      "4/stat": stat("disk", "D"),
      "5/stat": stat("many", "S", 3),
      "5/task/5/stat": stat("many", "S", 3),
      "5/task/6/stat": stat("many", "R", 3),
      "5/task/7/stat": stat("many", "R", 3),
      "5/task/8/status": "it has just ended",
      "6/status": "it has just ended",
      [`${process.pid}/stat`]: stat("self", "R"),
      "self/stat": stat("self", "R"),
    });
    assertEquals(systemLoad(root), 4);
  });
});

test("parseLoad() accepts a number or a percentage of the CPUs", () => {
  assertEquals(["3", "1.5", "150%", "0", "0%"].map((text) => parseLoad("--load", text, 4)), [3, 1.5, 6, 0.01, 0.01]);
  for (const text of ["", "x", "-1", "5 %", "1e3"]) {
    assertThrows(() => parseLoad("--load", text, 4), Error, "--load must be a number, or a percentage of the CPUs");
  }
});

test("the command prints one notice when nothing can start, and ends on a signal", async () => {
  const { child, output, ended } = startTaskrunner(["--memfree", "900T"], { stdin: jsonLines([{ cmd: "true" }]) });
  const notice = "taskrunner: no task is running: --memfree waits for free memory\n";
  await waitFor("the notice", () => output.stderr === notice);
  process.kill(child.pid!, "SIGTERM");
  const { status, stdout, stderr } = await ended;
  assertEquals([status, stdout, stderr], [143, "", `${notice}taskrunner: SIGTERM: ending the run\n`]);
});

test("--memfree delays starts until enough memory is free, with a notice", async () => {
  if ((await shell("unshare --mount true")).status !== 0) return skipTest("this user cannot mount file systems");
  await withTempDirectory(async (directory) => {
    await writeFiles(directory, { meminfo: "MemAvailable: 1000 kB\n", tasks: jsonLines([{ cmd: "echo ran" }]) });
    const { output, ended } = startShell(
      `unshare --mount sh -c 'mount --bind ${directory}/meminfo /proc/meminfo && $RUNTIME cli.ts ${directory}/tasks --memfree 1M'`,
    );
    await waitFor("the notice", () => output.stderr.includes("no task is running: --memfree waits for free memory"));
    assertEquals(output.stdout, "");
    await writeFile(join(directory, "meminfo"), "MemAvailable: 1024 kB\n");
    const { status, stdout } = await ended;
    assertEquals([status, parseResults(stdout)[0]!.stdout], [0, "ran\n"]);
  });
});

test("--load delays starts while other programs cause a high load", async () => {
  if ((await shell("unshare --pid --fork true")).status !== 0) return skipTest("this user cannot create namespaces");
  await withTempDirectory(async (directory) => {
    await writeFiles(directory, {
      tasks: jsonLines([{ cmd: "echo 1" }, { cmd: "echo 2" }]),
      script: `while [ ! -e ${directory}/idle ]; do :; done & $RUNTIME cli.ts ${directory}/tasks -k --load 1`,
    });
    const { output, ended } = startShell(`exec unshare --pid --fork --kill-child --mount-proc sh ${directory}/script`);
    await waitFor("the notice", () => output.stderr.includes("no task is running: --load waits for a lower load"));
    assertEquals(output.stdout, "");
    await writeFile(join(directory, "idle"), "");
    const { status, stdout } = await ended;
    assertEquals([status, parseResults(stdout).map(({ stdout }) => stdout)], [0, ["1\n", "2\n"]]);
  });
});
