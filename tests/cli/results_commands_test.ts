import { existsSync } from "node:fs";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertStringIncludes } from "@std/assert/string-includes";
import type { TraceEvent } from "../../report/chrome_trace.ts";
import {
  jsonLines,
  mixedTasks,
  parseResults,
  resultAt,
  resultWith,
  startTaskrunner,
  taskFile,
  taskrunner,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

test("stats prints figures for people and as JSON", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    const tasks = await taskFile(directory, mixedTasks(40));
    await taskrunner([tasks, "-o", path, "-j4", "--retries", "1"]);
    const results = parseResults(await readFile(path, "utf8"));
    const { status, stdout, stderr } = await taskrunner(["stats", path, "--json"]);
    assertEquals([status, stderr], [0, ""]);
    const { outcomes, durationMs, slowest, ...figures } = JSON.parse(stdout);
    assertEquals(outcomes, { ok: 32, failed: 4, timeout: 3, killed: 1 });
    assertEquals([figures.results, figures.slots, figures.retried], [40, 4, 8]);
    assertEquals(figures.attempts, results.reduce((sum, { attempts }) => sum + attempts, 0));
    const durations = results.map(({ durationMs }) => durationMs).sort((a, b) => a - b);
    assertEquals([durationMs.min, durationMs.max], [durations[0], durations.at(-1)]);
    assert(Math.abs(durationMs.p50 / durations[19]! - 1) < 0.011);
    assertEquals(slowest[0].durationMs, durations.at(-1));
    assert(figures.utilization > 0 && figures.utilization <= 1);

    const { stdout: text } = await taskrunner(["stats", path]);
    // A busy machine may take minutes.
    assertMatch(text, /^results {4}40 in (?:[\d.]+ m?s|\d+m\d\ds) \([\d.]+\/s\), \d{4}-.*Z to .*Z\n/);
    assertStringIncludes(text, "\noutcomes   32 ok (80 %), 4 failed (10 %), 3 timeout (7.5 %), 1 killed (2.5 %)\n");
    assertMatch(text, /\nduration(?: +(?:[\d.]+ m?s|\d+m\d\ds)){8}\n/);
  });
});

test("stats reads from a pipe, and skips an incomplete last line", async () => {
  const lines = jsonLines([resultWith({ id: "\x1b[31m" }), resultWith({ id: "2" })]);
  const piped = await taskrunner(["stats", "-"], { stdin: lines });
  assertEquals([piped.status, piped.stderr], [0, ""]);
  assertStringIncludes(piped.stdout, '"\\u001b[31m" 1.5 ms');
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    await writeFile(path, lines);
    await appendFile(path, lines.slice(0, 100));
    const { status, stdout, stderr } = await taskrunner(["stats", "--json", path]);
    assertEquals([status, JSON.parse(stdout).results], [0, 2]);
    assertStringIncludes(stderr, "results.jsonl: skipped an incomplete last line of 100 bytes");
  });
});

test("stats keeps the significant digits of small numbers", async () => {
  const stdin = jsonLines([resultWith({}), resultWith({ startedAt: "2026-01-02T06:04:05.678Z" })]);
  const { perSecond, utilization } = JSON.parse((await taskrunner(["stats", "-", "--json"], { stdin })).stdout);
  assert(Math.abs(perSecond / (2 / 10_800) - 1) < 1e-3 && utilization > 0);
});

test("stats counts skipped tasks apart, and has no times if no task ran", async () => {
  const startedAt = "2026-01-02T03:04:05.678Z";
  const skipped = resultWith({
    id: "s",
    status: null,
    outcome: "skipped",
    attempts: 0,
    slot: 0,
    startedAt,
    durationMs: 0,
  });
  const stats = async (results: unknown[], ...flags: string[]) => {
    const { status, stdout, stderr } = await taskrunner(["stats", "-", ...flags], { stdin: jsonLines(results) });
    assertEquals([status, stderr], [0, ""]);
    return stdout;
  };
  const some = await stats([skipped, resultWith({ id: "a" }), skipped, skipped]);
  assertStringIncludes(some, "\noutcomes   3 skipped (75 %), 1 ok (25 %)\nattempts   1; ");
  assertMatch(some, /\nduration( +1\.5 ms){8}\n/);
  assertMatch(some, /\nslots {6}1, .*\n/);
  assertMatch(some, /\nslowest {4}"a" 1\.5 ms\n$/);
  const none = await stats([skipped]);
  const time = "2026-01-02T03:04:05Z";
  assertEquals(
    none,
    `results    1 in 0 ms, ${time} to ${time}\noutcomes   1 skipped (100 %)\nattempts   0; 0 results took more than one\n`,
  );
  const { slowest, durationMs, outcomes } = JSON.parse(await stats([skipped], "--json"));
  assertEquals([slowest, durationMs.count, outcomes], [[], 0, { skipped: 1 }]);
});

test("stats ends at a signal", async () => {
  const { child, ended } = startTaskrunner(["stats", "-"]);
  // More than fits into a pipe, so that the command is reading when all of it is written.
  const lines = jsonLines(Array(5_000).fill(resultWith({})));
  await new Promise((resolve) => child.stdin!.write(lines, resolve));
  process.kill(child.pid!, "SIGTERM");
  const { status, stdout, stderr } = await ended;
  assertEquals([status, stdout, stderr], [143, "", ""]);
});

test("a file without results and a wrong flag are errors", async () => {
  await withTempDirectory(async (directory) => {
    const tasks = await taskFile(directory, [{ cmd: "true" }]);
    const empty = await taskFile(directory, [], "empty.jsonl");
    const cases: [args: string[], message: string][] = [
      [["stats"], "Missing RESULTS.jsonl: the results file to read"],
      [["trace", "a", "b"], 'Expected one results file, got "a" and "b"'],
      [["stats", empty, "--jobs", "2"], "--jobs is a flag of taskrunner run, each and worker, not of taskrunner stats"],
      [["trace", empty, "--json"], "--json is a flag of taskrunner stats, not of taskrunner trace"],
      [["stats", empty], 'empty.jsonl": there are none'],
      [["trace", join(directory, "missing")], "no such file or directory"],
      [["stats", directory], "it is a directory, not a results file"],
      [["stats", tasks], 'tasks.jsonl:1: Cannot read the result: the field "id" is missing'],
      [["stats", empty, ":::", "1"], "Values after ::: need a command"],
      [["run", tasks, "--json"], "--json is a flag of taskrunner stats, not of taskrunner run"],
      [["run", tasks, "--port", "1"], "--port is a flag of taskrunner watch, not of taskrunner run"],
      [["run", tasks, "--watch", "65536"], "--watch must be an integer from 0 to 65535"],
      [["run", tasks, "--watch", "0", "--dry-run"], "Cannot use --watch with --dry-run: a dry run runs no tasks"],
      [["watch", "-"], "Cannot watch standard input: give the results file that a run writes"],
    ];
    for (const [args, message] of cases) {
      const { status, stdout, stderr } = await taskrunner(args);
      assertEquals([status, stdout], [255, ""]);
      assertStringIncludes(stderr, message);
    }
  });
});

/** Returns the arrows of a trace, as the names of the slices to which Perfetto binds their events. */
function arrowsOf(events: readonly TraceEvent[]): string[] {
  const open = new Map<number, { name: string; ts: number }>();
  const drawn: string[] = [];
  // Perfetto sorts events by their times, and keeps the order of those with equal times.
  for (const event of events.filter((event) => event.ph !== "M").toSorted((one, other) => one.ts - other.ts)) {
    if (event.ph !== "s" && event.ph !== "f") continue;
    const { pid, tid, ts, id, name, cat } = event;
    assertEquals([name, cat, event.ph === "s" || event.bp === "e"], ["after", "after", true]);
    const enclosing = events.flatMap((slice) =>
      slice.ph === "X" && slice.pid === pid && slice.tid === tid && slice.ts <= ts && ts < slice.ts + slice.dur
        ? [slice]
        : []
    );
    assertEquals(enclosing.length, 1, "each end of an arrow is in one slice");
    if (event.ph === "s") {
      assert(!open.has(id), "each arrow has an id");
      open.set(id, enclosing[0]!);
    } else {
      const { name, ts } = open.get(id)!;
      assert(ts <= enclosing[0]!.ts, "Perfetto turns an arrow to an earlier slice around");
      drawn.push(`${name} ${enclosing[0]!.name} ${enclosing[0]!.args["attempt"]}`);
      open.delete(id);
    }
  }
  assertEquals(open.size, 0);
  return drawn.sort();
}

/** Checks the rules of the format that viewers rely on. Returns the events. */
function checkTrace(text: string): TraceEvent[] {
  const { traceEvents, displayTimeUnit, otherData } = JSON.parse(text) as {
    traceEvents: TraceEvent[];
    displayTimeUnit: string;
    otherData: { startedAt: string };
  };
  assertEquals(displayTimeUnit, "ms");
  assert(!Number.isNaN(Date.parse(otherData.startedAt)));
  const ends = new Map<string, number>();
  for (const event of traceEvents) {
    assertEquals([typeof event.name, typeof event.args, Number.isInteger(event.pid)], ["string", "object", true]);
    assert(["M", "X", "C", "i", "s", "f"].includes(event.ph));
    if (event.ph === "M") continue;
    assert(Number.isInteger(event.ts) && event.ts >= 0);
    if (event.ph === "i") ends.set(`${event.pid} ${event.tid}`, event.ts);
    if (event.ph !== "X") continue;
    assert(Number.isInteger(event.dur) && event.dur >= 0 && Number.isInteger(event.tid));
    const track = `${event.pid} ${event.tid}`;
    assert(event.ts >= (ends.get(track) ?? 0), "slices of a track do not overlap");
    ends.set(track, event.ts + event.dur);
  }
  const tracks = traceEvents.filter(({ name }) => name === "thread_name").length;
  assertEquals(tracks, ends.size, "each track has a name");
  return traceEvents;
}

test("trace has a slice for each attempt on the track of its slot, and counts running tasks", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    const tasks = await taskFile(directory, mixedTasks(60));
    await taskrunner([tasks, "-o", path, "-j3", "--retries", "1"]);
    const results = parseResults(await readFile(path, "utf8"));
    const { status, stdout, stderr } = await startTaskrunner(["trace", path], { stdin: "" }).ended;
    assertEquals([status, stderr], [0, ""]);
    const events = checkTrace(stdout);
    const slices = new Map(
      events.flatMap((event) => event.ph === "X" ? [[`${event.name} ${event.args["attempt"]}`, event]] : []),
    );
    assertEquals(slices.size, results.reduce((sum, { attempts }) => sum + attempts, 0));
    for (const { id, attempts, earlierAttempts = [], ...last } of results) {
      assertEquals(earlierAttempts.length, attempts - 1);
      for (const [index, { slot, outcome, status, durationMs }] of [...earlierAttempts, last].entries()) {
        const { tid, cat, dur, args } = slices.get(`${id} ${index + 1}`)!;
        assertEquals([tid, cat, dur], [slot, outcome, Math.round(durationMs * 1000)]);
        assertEquals([args["outcome"], args["status"], args["attempts"]], [outcome, status, attempts]);
      }
    }
    const counts = events.flatMap((event) => event.ph === "C" ? [Number(event.args["running"])] : []);
    assertEquals(counts.at(-1), 0);
    assert(Math.max(...counts) <= 3 && Math.min(...counts) >= 0);
  });
});

test("a trace of workers on other machines has a process for each worker", async () => {
  const on = (host: string, slot: number, id: string) => resultWith({ id, slot, worker: { host, pid: 7 } });
  const { stdout } = await startTaskrunner(["trace", "-"], {
    stdin: jsonLines([on("b", 1, "x"), on("a", 1, "y"), on("a", 2, "z"), on("b", 1, "later")]),
  }).ended;
  const events = checkTrace(stdout);
  const names = events.flatMap(({ name, args }) => name === "process_name" ? [args["name"]] : []);
  assertEquals(names, ["taskrunner", "b 7", "a 7"]);
  assertEquals(new Set(events.flatMap((event) => event.ph === "X" ? [event.pid] : [])).size, 2);
});

test("a trace has arrows from prerequisites to the tasks that waited for them, and shows skipped tasks", async () => {
  const earlierAttempts = [
    { status: 1, outcome: "failed", slot: 2, startedAt: "2026-11-30T08:00:00.020Z", durationMs: 5, stderrEnd: "" },
  ] as const;
  const skipped = { outcome: "skipped", status: null, attempts: 0, slot: 0, error: "because of c" } as const;
  const results = [
    resultAt("again", 0, 1, { outcome: "failed", status: 1 }),
    resultAt("a", 1, 10),
    resultAt("b", 1, 18.7, { slot: 2, uses: { gpu: 2 }, slots: 3 }),
    // Starts are accurate to a millisecond, so that this task seems to start before "b" ended.
    resultAt("c", 30, 5, {
      after: ["a", "b", "elsewhere"],
      attempts: 2,
      earlierAttempts,
      outcome: "failed",
      status: 1,
    }),
    resultAt("overlap", 19, 1, { after: ["b"] }),
    resultAt("again", 40, 1, { after: ["c"] }),
    resultAt("d", 35, 0, { ...skipped, after: ["c"] }),
    resultAt("cleanup", 50, 1, { after: ["d", "again", "cleanup"] }),
    resultAt("clock set back", 0, 1, { after: ["c"], slot: 9 }),
    resultAt("no time", 60, 0, { after: ["a"], slot: 8 }),
  ];
  const events = checkTrace((await startTaskrunner(["trace", "-"], { stdin: jsonLines(results) }).ended).stdout);
  assertEquals(arrowsOf(events), [
    "a c 1",
    "again cleanup 1",
    "b c 1",
    "b overlap 1",
    "c again 1",
  ]);
  const instants = events.flatMap((event) => event.ph === "i" ? [[event.name, event.ts, event.args]] : []);
  assertEquals(instants, [["d", 35_000, { outcome: "skipped", error: "because of c" }]]);
  const { args } = events.find(({ name, ph }) => name === "b" && ph === "X")!;
  assertEquals([args["uses"], args["slots"]], [{ gpu: 2 }, 3]);
  assert(events.every(({ args }) => args["slot"] === undefined));
});

test("a trace has at most 16 arrows to a task, from the prerequisites that ended last", async () => {
  const many = Array.from(
    { length: 1_000 },
    (_, index) =>
      resultWith({
        id: `${index}`,
        slot: index + 1,
        durationMs: 1 + (index * 7) % 1_000,
        startedAt: "2026-11-30T08:00:00.000Z",
      }),
  );
  const end = resultWith({ id: "end", startedAt: "2026-11-30T08:00:02.000Z", after: many.map(({ id }) => id) });
  const { stdout } = await startTaskrunner(["trace", "-"], { stdin: jsonLines([...many, end]) }).ended;
  const longest = many.toSorted((one, other) => other.durationMs - one.durationMs).slice(0, 16);
  assertEquals(arrowsOf(checkTrace(stdout)), longest.map(({ id }) => `${id} end 1`).sort());
});

test("a trace of skipped tasks only has their times", async () => {
  const result = resultWith({ outcome: "skipped", status: null, attempts: 0, slot: 0, durationMs: 0, after: ["x"] });
  const { status, stdout } = await startTaskrunner(["trace", "-"], { stdin: jsonLines([result]) }).ended;
  assertEquals([status, checkTrace(stdout).filter(({ ph }) => ph === "i").length], [0, 1]);
});

test("slices do not overlap when the clock was set back", async () => {
  const at = (startedAt: string, id: string) => resultWith({ id, startedAt, durationMs: 2_000 });
  const stdin = jsonLines([
    at("2026-10-25T00:59:59.000Z", "a"),
    at("2026-10-25T00:00:00.000Z", "b"),
    at("2026-10-25T00:00:01.999Z", "c"),
  ]);
  const { stdout } = await startTaskrunner(["trace", "-"], { stdin }).ended;
  assertEquals(checkTrace(stdout).flatMap((event) => event.ph === "X" ? [event.name] : []), ["b", "c", "a"]);
});

test("-o does not overwrite the empty results file of a run", async () => {
  await withTempDirectory(async (directory) => {
    const [path, on, go] = ["results.jsonl", "on", "go"].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ];
    const tasks = await taskFile(directory, [{ cmd: `: > '${on}'; until [ -e '${go}' ]; do sleep 0.05; done` }]);
    const run = startTaskrunner([tasks, "-o", path], { stdin: "" });
    await waitFor("the task", () => existsSync(on));
    const results = await taskFile(directory, [resultWith({})], "other.jsonl");
    const { status, stderr } = await taskrunner(["trace", results, "-o", path]);
    assertEquals(status, 255);
    assertStringIncludes(stderr, "a run is writing to it");
    await writeFile(go, "");
    assertEquals((await run.ended).status, 0);
    assertEquals(parseResults(await readFile(path, "utf8")).length, 1);
  });
});

test("-o overwrites an older trace, and no other file", async () => {
  await withTempDirectory(async (directory) => {
    const results = await taskFile(directory, [resultWith({})], "results.jsonl");
    const trace = join(directory, "trace.json");
    await taskrunner(["trace", results, "-o", trace]);
    await appendFile(results, jsonLines([resultWith({ id: "2" })]));
    const { status, stdout } = await taskrunner(["trace", results, "-o", trace]);
    assertEquals([status, stdout], [0, ""]);
    assertEquals(checkTrace(await readFile(trace, "utf8")).filter(({ ph }) => ph === "X").length, 2);

    const before = await readFile(results, "utf8");
    const refused = await taskrunner(["trace", trace, "-o", results]);
    assertEquals(refused.status, 255);
    const onto = await taskrunner(["trace", results, "-o", results]);
    assertStringIncludes(onto.stderr, "it exists and is not a trace");
    assertEquals([onto.status, await readFile(results, "utf8")], [255, before]);
  });
});
