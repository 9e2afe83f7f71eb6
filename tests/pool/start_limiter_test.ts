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
  notTried,
  parseResults,
  shell,
  startShell,
  startTaskrunner,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** A gate in a world that the test makes. */
function gateIn(limits: Partial<StartLimits>) {
  const world = { nowMs: 0, load: 0, freeBytes: Infinity, looks: 0 };
  const seen = <T>(value: T): T => {
    world.looks++;
    if (Number.isNaN(value)) throw Object.assign(new Error("no descriptor"), { code: "EMFILE" });
    return value;
  };
  const make = () =>
    new StartLimiter({ startDelayMs: 0, maxLoad: undefined, minFreeMemoryBytes: undefined, ...limits }, {
      nowMs: () => world.nowMs,
      load: () => seen(world.load),
      freeMemoryBytes: () => seen(world.freeBytes),
    });
  return { world, make };
}

test("after each start the next one has to wait for the delay", () => {
  const { world, make } = gateIn({ startDelayMs: 50 });
  const gate = make();
  assertEquals(gate.check(0), undefined);
  gate.recordStart();
  world.nowMs = 20;
  assertEquals(gate.check(1), { reason: "delay", waitMs: 30 });
  world.nowMs = 50;
  assertEquals(gate.check(1), undefined);
});

test("between two looks at the load, each task counts as one from its start to its end", () => {
  const { world, make } = gateIn({ maxLoad: 3 });
  world.load = 1;
  const gate = make();
  assertEquals([0, 1, 2, 1].map((running) => gate.check(running)?.reason), [undefined, undefined, "load", undefined]);
  assertEquals(world.looks, 1);
  world.nowMs = 1_000;
  world.load = 0; // the two that run sleep, and all others, too
  assertEquals([2, 3, 4, 5].map((running) => gate.check(running)?.reason), [undefined, undefined, undefined, "load"]);
  assertEquals(world.looks, 2);
});

test("a look at the memory is good for a few milliseconds", () => {
  const { world, make } = gateIn({ minFreeMemoryBytes: 1_000 });
  world.freeBytes = 1_000;
  const gate = make();
  assertEquals(gate.check(1), undefined);
  world.freeBytes = 999;
  assertEquals(gate.check(2), undefined);
  world.nowMs = 10;
  assertEquals(gate.check(2), { reason: "memory", waitMs: 100 });
});

test("a load or memory that cannot be read is an error at the start, and later the last one counts", () => {
  for (const [limits, name] of [[{ maxLoad: 1 }, "load"], [{ minFreeMemoryBytes: 5 }, "freeBytes"]] as const) {
    const { world, make } = gateIn(limits);
    world[name] = NaN;
    assertThrows(make, Error, "Cannot start the pool: the load or the free memory is unavailable: too many open files");
    world[name] = 1;
    const gate = make();
    world[name] = NaN;
    world.nowMs = 5_000;
    assert(gate.check(0));
  }
});

test("the pool waits between starts, also of further attempts, and says what holds it back", async () => {
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

test("what is held back is not started, and that is said once", async () => {
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
  await waitFor("what is said", () => held.length > 0);
  await new Promise((resolve) => setTimeout(resolve));
  const times = held.length; // once, and with the result that came then
  for (const concurrency of [2, 3, 4]) results.concurrency = concurrency; // each time it is seen what can be done
  assertEquals([executor.executions.length, held.length, held[0]!.throttledBy], [1, times, "delay"]);
  results.drain();
  assertEquals((await next).done, true);
});

test("a run with nothing left to start does not wait for the gate", async () => {
  const executor = instantExecutor();
  const never = { executor, minFreeMemoryBytes: 2 ** 60 };
  assertEquals(await collect(run([], never)), []);
  const [only] = await collect(run([{ cmd: "x" }], { executor, startDelayMs: 86_400_000 }));
  assertEquals(only!.outcome, "ok");
});

test("what is told that a run is held back may end it", async () => {
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

test("a task that has just been started is not held back, whatever is done when that is told", async () => {
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

test("a task to be tried again that was held back comes before one that is read when it may be started", async () => {
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
    clock.passes(1); // the timer has yet to go off
    second.resolve({ cmd: "y" });
    await clock.advance(20);
    assertEquals((await all).length, 2);
    assertEquals(order, ["1.1", "1.2", "2.1"]);
  });
});

test("a run without a free slot is not held back", async () => {
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

test("a run that is held back ends when it is told to", async () => {
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
  "a run that is drained keeps no program alive until something could be started or tried again",
  async () => {
    const { status, stdout, stderr } = await shell("$RUNTIME tests/fixtures/drain_while_waiting.ts");
    assertEquals([status, stdout, stderr], [0, "canceled\n", ""]);
  },
);

/** Files with the given text, by their paths below a directory. */
async function writeFiles(root: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
}

test("free memory is what the system has, or what a control group leaves, whichever is less", async () => {
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

test("the load is how many threads want a CPU or wait for a disk, without the kernel's and one's own", async () => {
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

test("a limit of load is a number or a percentage of the CPUs", () => {
  assertEquals(["3", "1.5", "150%", "0", "0%"].map((text) => parseLoad("--load", text, 4)), [3, 1.5, 6, 0.01, 0.01]);
  for (const text of ["", "x", "-1", "5 %", "1e3"]) {
    assertThrows(() => parseLoad("--load", text, 4), Error, "--load must be a number, or a percentage of the CPUs");
  }
});

test("a run in which nothing can start says so once, and ends on a signal", async () => {
  const { child, output, ended } = startTaskrunner(["--memfree", "900T"], { stdin: jsonLines([{ cmd: "true" }]) });
  const notice = "taskrunner: no task is running: --memfree 900T waits for free memory\n";
  await waitFor("the notice", () => output.stderr === notice);
  process.kill(child.pid!, "SIGTERM");
  const { status, stdout, stderr } = await ended;
  assertEquals([status, stdout, stderr], [143, "", notice]);
});

test("--memfree holds back starts until enough memory is free, and says so", async () => {
  if ((await shell("unshare --mount true")).status !== 0) return notTried("this user must not make mounts");
  await withTempDirectory(async (directory) => {
    await writeFiles(directory, { meminfo: "MemAvailable: 1000 kB\n", tasks: jsonLines([{ cmd: "echo ran" }]) });
    const { output, ended } = startShell(
      `unshare --mount sh -c 'mount --bind ${directory}/meminfo /proc/meminfo && $RUNTIME cli.ts ${directory}/tasks --memfree 1M'`,
    );
    await waitFor("the notice", () => output.stderr.includes("no task is running: --memfree 1M waits for free memory"));
    assertEquals(output.stdout, "");
    await writeFile(join(directory, "meminfo"), "MemAvailable: 1024 kB\n");
    const { status, stdout } = await ended;
    assertEquals([status, parseResults(stdout)[0]!.stdout], [0, "ran\n"]);
  });
});

test("--load holds back starts while too much runs, of other programs, too", async () => {
  if ((await shell("unshare --pid --fork true")).status !== 0) return notTried("this user must not make namespaces");
  await withTempDirectory(async (directory) => {
    await writeFiles(directory, {
      tasks: jsonLines([{ cmd: "echo 1" }, { cmd: "echo 2" }]),
      script: `while [ ! -e ${directory}/idle ]; do :; done & $RUNTIME cli.ts ${directory}/tasks -k --load 1`,
    });
    const { output, ended } = startShell(`exec unshare --pid --fork --kill-child --mount-proc sh ${directory}/script`);
    await waitFor("the notice", () => output.stderr.includes("no task is running: --load 1 waits for a lower load"));
    assertEquals(output.stdout, "");
    await writeFile(join(directory, "idle"), "");
    const { status, stdout } = await ended;
    assertEquals([status, parseResults(stdout).map(({ stdout }) => stdout)], [0, ["1\n", "2\n"]]);
  });
});
