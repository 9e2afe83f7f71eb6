import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertRejects } from "@std/assert/rejects";
import fc from "fast-check";
import { type EarlierAttempt, InvalidLineError, parseResult, type TaskResult } from "../../mod.ts";
import { busyText } from "../../results/statistics/busy_text.ts";
import { LogHistogram } from "../../results/statistics/log_histogram.ts";
import { readResults, type ResultFacts } from "../../results/statistics/results_reader.ts";
import { RunStatistics } from "../../results/statistics/run_statistics.ts";
import { TimeBuckets } from "../../results/statistics/time_buckets.ts";
import { TopK } from "../../results/statistics/top_k.ts";
import { byteStream, jsonLines, resultWith } from "../support/helpers.ts";
import { test } from "../support/test.ts";

async function factsOf(text: string, pieceBytes = Infinity): Promise<ResultFacts[]> {
  const all: ResultFacts[] = [];
  await readResults(byteStream(text, pieceBytes), (facts) => all.push(facts));
  return all;
}

/** Returns a result with its fields in another order, which has to be parsed whole. */
const reordered = (result: TaskResult) => Object.fromEntries(Object.entries(result).reverse());

test("readResults() returns the same facts for any form of a line", async () => {
  const results = [
    resultWith({}),
    resultWith({ id: 'a "b"\n\\ü😀', status: null, outcome: "canceled" }),
    resultWith({ outcome: "timeout", status: 124, signal: "SIGTERM", error: 'It is "late"\\', attempts: 3 }),
    resultWith({ worker: { host: "node-1.example", pid: 4711 }, slot: 12 }),
    resultWith({ userMs: 10.5, systemMs: 20.25, startedAt: "2028-02-29T23:59:59.999Z" }),
    resultWith({ userMs: 10 }),
    resultWith({ durationMs: 1e-7, stdout: '{"id":"x"}', stderr: "\ud800", meta: { stdout: "x" } }),
    resultWith({
      cmdHash: "2289a42a",
      after: ["a", '"b",\n'],
      uses: { gpu: 2, mem_gb: 0 },
      slots: 3,
      meta: { after: 1 },
    }),
    resultWith({ outcome: "skipped", status: null, attempts: 0, slot: 0, cmdHash: "2289a42a", after: ["a"] }),
    resultWith({ stdout: '"after":["x"]', cmdHash: "2289a42a", meta: { cmdHash: "x", after: ["x"], slots: 2 } }),
    resultWith({ after: ["no hash"] }),
  ];
  const quick = await factsOf(jsonLines(results));
  assertEquals(await factsOf(jsonLines(results.map(reordered)), 7), quick);
  assertEquals(await factsOf(jsonLines(results).replaceAll('":', '": ')), quick);
  assertEquals(quick.map(({ id }) => id), results.map(({ id }) => id));
  assertEquals(quick[2]!.error, 'It is "late"\\');
  assertEquals(quick[3]!.worker, { host: "node-1.example", pid: 4711 });
  assertEquals([quick[4]!.cpuMs, quick[4]!.startedMs], [30.75, Date.parse("2028-02-29T23:59:59.999Z")]);
  assertEquals([quick[0]!.cpuMs, quick[5]!.cpuMs], [undefined, 10]);
  const workflow = quick.slice(6).map(({ after, uses, slots, attempts, slot }) => [after, uses, slots, attempts, slot]);
  assertEquals(workflow, [
    [[], undefined, 1, 1, 1],
    [["a", '"b",\n'], { gpu: 2, mem_gb: 0 }, 3, 1, 1],
    [["a"], undefined, 1, 0, 0],
    [[], undefined, 1, 1, 1],
    [["no hash"], undefined, 1, 1, 1],
  ]);
});

const skipped = (id: string, startedAt = "2026-01-02T03:04:05.678Z") =>
  resultWith({ id, status: null, outcome: "skipped", attempts: 0, slot: 0, startedAt, durationMs: 0, stdout: "" });

test("readResults() reads skipped tasks in any form, and only these without an attempt and a slot", async () => {
  const line = JSON.stringify(skipped("a"));
  const [facts] = await factsOf(line);
  assertEquals(await factsOf(` ${line}`), [facts]);
  assertEquals([facts!.outcome, facts!.attempts, facts!.slot], ["skipped", 0, 0]);
  const invalid = [
    line.replace('"skipped"', '"ok"'),
    line.replace('"attempts":0', '"attempts":1'),
    line.replace('"slot":0', '"slot":1'),
    line.replace('"attempts":0,"slot":0', '"attempts":1,"slot":1'),
    JSON.stringify(resultWith({ slot: 0 })),
    JSON.stringify(resultWith({ attempts: 0 })),
  ];
  for (const text of invalid) {
    for (const form of [text, ` ${text}`]) await assertRejects(() => factsOf(form), InvalidLineError, "must be");
  }
});

test("RunStatistics counts skipped tasks only as results", async () => {
  const ran = [
    resultWith({ id: "a", startedAt: "2026-01-02T03:04:05.000Z", durationMs: 1000 }),
    resultWith({ id: "b", startedAt: "2026-01-02T03:04:05.000Z", durationMs: 500, slot: 2, outcome: "failed" }),
  ];
  const figuresOf = async (results: TaskResult[]) => {
    const statistics = new RunStatistics();
    for (const facts of await factsOf(jsonLines(results))) statistics.add(facts);
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    const series = [statistics.busy, statistics.ended, statistics.notOk].map(({ values }) => sum(values));
    return { figures: statistics.figures!, series, bars: statistics.durations.bars };
  };
  const without = await figuresOf(ran);
  const early = skipped("c", "2026-01-01T00:00:00.000Z");
  const all = await figuresOf([early, ...ran, skipped("d", "2026-01-03T00:00:00.000Z")]);
  assertEquals(all, {
    ...without,
    figures: { ...without.figures, results: 4, outcomes: { skipped: 2, ok: 1, failed: 1 } },
  });
  assertEquals([all.figures.perSecond, all.figures.utilization, all.figures.slots], [2, 0.75, 2]);
});

test("RunStatistics has figures of a run in which all tasks were skipped", async () => {
  const statistics = new RunStatistics();
  const lines = jsonLines([skipped("a", "2026-01-01T00:00:01.000Z"), skipped("b", "2026-01-01T00:00:00.000Z")]);
  for (const facts of await factsOf(lines)) statistics.add(facts);
  const { results, outcomes, startedAt, endedAt, ...others } = statistics.figures!;
  assertEquals([results, outcomes, startedAt, endedAt], [
    2,
    { skipped: 2 },
    "2026-01-01T00:00:00.000Z",
    "2026-01-01T00:00:01.000Z",
  ]);
  assertEquals(others, {
    ...{ attempts: 0, listedAttempts: 0, retried: 0, spanMs: 1000, idleMs: 0, slots: 0 },
    ...{ perSecond: undefined, utilization: undefined, cpuMs: undefined },
    durationMs: { count: 0, min: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0, total: 0 },
  });
  assertEquals(busyText(statistics.figures!), "too short to measure");
});

test("readResults() reads any result as JSON.parse does", async () => {
  const text = fc.string({ unit: fc.constantFrom(...'ab "\\/{}[],:\n\u0000\u2028ü😀\ud800') });
  const any = fc.record({
    id: text,
    status: fc.option(fc.nat(255)),
    error: text,
    attempts: fc.integer({ min: 1, max: 1000 }),
    slot: fc.integer({ min: 1, max: 10_000 }),
    durationMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
    userMs: fc.float({ min: 0, max: 1e6, noNaN: true }),
    systemMs: fc.nat(),
    startedAt: fc.date({ min: new Date(0), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true })
      .map((date) => date.toISOString()),
    stdout: text,
    cmdHash: fc.option(fc.constantFrom("2289a42a", '","after":["x"]'), { nil: undefined }),
    after: fc.option(fc.array(text, { maxLength: 3 }), { nil: undefined }),
    uses: fc.option(fc.dictionary(fc.constantFrom("gpu", "after", "cmdHash"), fc.nat()), { nil: undefined }),
    slots: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
    meta: fc.option(
      fc.oneof(
        fc.jsonValue(),
        fc.dictionary(fc.constantFrom("after", "uses", "slots", "cmdHash", '"after'), fc.jsonValue()),
      ),
      { nil: undefined },
    ),
  });
  await fc.assert(fc.asyncProperty(any, async (fields) => {
    // UTF-8 cannot encode a lone surrogate.
    const result = resultWith(JSON.parse(JSON.stringify(fields).toWellFormed()));
    parseResult(result);
    const [facts] = await factsOf(jsonLines([result]));
    assertEquals([facts], await factsOf(jsonLines([reordered(result)])));
    const { id, status, attempts, slot, durationMs, after = [], uses, slots = 1 } = result;
    assertEquals(facts, { ...facts!, id, status, attempts, slot, durationMs, after, uses, slots });
    assertEquals(new Date(facts!.startedMs).toISOString(), result.startedAt);
  }));
});

test("readResults() names the line of an invalid result", async () => {
  const good = JSON.stringify(resultWith({}));
  const bad: Record<string, string> = {
    '{"id":"1"}': '"status" is missing',
    [good.replace('"ok"', '"fine"')]: '"outcome" must be one of',
    [good.slice(0, -1)]: "it is not valid JSON",
    [good.replace(/}$/, ',"cmdHash":"2289a42a","after":"a"}')]: '"after" must be an array of ids',
    [good.replace(/}$/, ',"cmdHash":"2289a42a","after":[1]}')]: '"after[0]" must be a string',
    [good.replace(/}$/, ',"cmdHash":"2289a42a","slots":0}')]: '"slots" must be at least 1',
    [good.replace(/}$/, ',"cmdHash":"2289a42a","slots":1.5}')]: '"slots" must be an integer',
    [good.replace(/}$/, ',"cmdHash":"2289a42a","uses":[]}')]: '"uses" must be an object such as',
    [good.replace(/}$/, ',"cmdHash":"2289a42a","uses":{"gpu":-1}}')]: '"uses.gpu" must be an integer of at least 0',
    [good.replace(/}$/, ',"cmdHash":"2289a42a","uses":{"g p u":1}}')]: "is not the name of a resource",
    [good.replace(/}$/, ',"cmdHash":"2289a42a","slots":2,"x":1}')]: 'unknown field "x"',
    [good.replace(/}$/, ',"slots":2,"cmdHash":')]: "it is not valid JSON",
    [good.replace(/"startedAt":"[^"]*"/, '"startedAt":"yesterday"')]: '"startedAt" must be a time in ISO 8601',
    "nothing": "it is not valid JSON",
  };
  for (
    const time of ["2026-99-99T00:00:00.000Z", "2026-01-02T03:60:00.000Z", "Nov 3 2026"]
  ) {
    bad[good.replace(/"startedAt":"[^"]*"/, `"startedAt":"${time}"`)] = '"startedAt" must be a time in ISO 8601';
  }
  for (const field of ["attempts", "slot", "durationMs"]) {
    bad[good.replace(new RegExp(`"${field}":[\\d.]+`), `"${field}":-5`)] = `"${field}" must not be negative`;
  }
  for (const [field, value] of [["durationMs", "8.64e15"], ["durationMs", "1e300"], ["userMs", "1e999"]] as const) {
    bad[good.replace('"durationMs":1.5', `"durationMs":1,"${field}":${value}`)] = `"${field}" must be at most`;
  }
  for (const field of ["attempts", "slot"]) {
    bad[good.replace(`"${field}":1`, `"${field}":0`)] = `"${field}" must be at least 1`;
    bad[good.replace(`"${field}":1`, `"${field}":1e308`)] = `"${field}" must be an integer`;
    bad[good.replace(`"${field}":1`, `"${field}":01`)] = "it is not valid JSON";
  }
  bad[good.replace('"id":"1"', '"id":"\\x"')] = "it is not valid JSON";
  bad[good.replace('"id":"1"', '"id":"\t"')] = "it is not valid JSON";
  for (const [line, message] of Object.entries(bad)) {
    const error = await assertRejects(() => factsOf(`${good}\n\n${line}\n${good}\n`), InvalidLineError, message);
    assertEquals((error as InvalidLineError).lineNumber, 3);
  }
});

test("readResults() ignores a byte order mark, blank lines and CR before LF", async () => {
  const lines = jsonLines([resultWith({ id: "a" }), reordered(resultWith({ id: "b" }))]);
  const read = await factsOf(`\ufeff${lines}\n`.replaceAll("\n", "\r\n"));
  assertEquals(read.map(({ id }) => id), ["a", "b"]);
});

test("readResults() reads an id and an error with millions of escapes", async () => {
  const long = '\n"'.repeat(2_000_000);
  const [facts] = await factsOf(jsonLines([resultWith({ id: long, error: long, outcome: "failed" })]));
  assert(facts!.id === long && facts!.error === long);
});

test("LogHistogram has percentiles accurate to 1.1 %, and exact min, max and total", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0.001, max: 1e10, noNaN: true }), { minLength: 1 }), (values) => {
      const histogram = new LogHistogram();
      for (const value of values) histogram.add(value);
      const sorted = values.toSorted((a, b) => a - b);
      const { count, min, max, total, ...rest } = histogram.distribution!;
      assertEquals([count, min, max], [sorted.length, sorted[0], sorted.at(-1)]);
      assertEquals(total, values.reduce((sum, value) => sum + value, 0));
      assertEquals(rest.mean, total / count);
      for (const [share, percentile] of [[0.5, rest.p50], [0.9, rest.p90], [0.99, rest.p99], [0.999, rest.p999]]) {
        const exact = sorted[Math.ceil(share! * count) - 1]!;
        assert(Math.abs(percentile! / exact - 1) < 0.011, `${share}: ${percentile}, exactly ${exact}`);
      }
      const bars = histogram.bars;
      assertEquals(bars.reduce((sum, bar) => sum + bar.count, 0), count);
      assert(bars[0]!.count > 0 && bars.at(-1)!.count > 0);
      assert(bars[0]!.fromMs <= min * (1 + 1e-9) && max * (1 - 1e-9) <= bars.at(-1)!.toMs);
    }),
  );
});

test("LogHistogram counts times below a microsecond, and of 0 ms", () => {
  const histogram = new LogHistogram();
  assertEquals([histogram.distribution, histogram.bars], [undefined, []]);
  for (const ms of [0, 0.0001, 1e300]) histogram.add(ms);
  assertEquals([histogram.distribution!.p50, histogram.distribution!.max], [0, 1e300]);
  assertEquals(histogram.bars[0], { fromMs: 0, toMs: 0.001, count: 2 });
});

/** Returns a histogram of times. */
function histogramOf(times: readonly number[]): LogHistogram {
  const histogram = new LogHistogram();
  for (const ms of times) histogram.add(ms);
  return histogram;
}

test("LogHistogram has no bars narrower than the resolution of the clock", () => {
  const ticks = histogramOf([0, 0, 10, 20, 20, 30, 90, 110]);
  assertEquals(ticks.stepMs, 10);
  assertEquals(ticks.bars.map(({ fromMs, toMs, count }) => [fromMs, toMs, count]), [
    [0, 10, 2],
    [10, 20, 1],
    [20, 30, 2],
    [30, 40, 1],
    [40, 50, 0],
    [50, 60, 0],
    [60, 70, 0],
    [70, 80, 0],
    [80, 100, 1],
    [100, 120, 1],
  ]);
  assertEquals(ticks.distribution!.p90, 110);
  assertEquals(histogramOf([0]).bars, [{ fromMs: 0, toMs: 10, count: 1 }]);
  assertEquals(histogramOf([]).stepMs, undefined);
  assertEquals(histogramOf([0, 10, 3]).stepMs, 1);
  assertEquals(histogramOf([0.1 + 0.2, 40]).stepMs, 0.001);
  assertEquals(histogramOf([10, 0.0001]).stepMs, undefined);

  const steps = fc.array(fc.integer({ min: 0, max: 1e6 }), { minLength: 1 });
  fc.assert(
    fc.property(fc.constantFrom(10, 1, 0.001), steps, (stepMs, steps) => {
      const times = steps.map((count) => count * stepMs);
      const histogram = histogramOf(times);
      assert(histogram.stepMs! >= stepMs, `${histogram.stepMs}`);
      const { bars } = histogram;
      assertEquals(bars.reduce((sum, { count }) => sum + count, 0), times.length);
      for (const { fromMs, toMs, count } of bars) {
        const isWhole = (ms: number) => Math.abs(ms / stepMs - Math.round(ms / stepMs)) < 1e-6;
        assert(toMs - fromMs > stepMs * (1 - 1e-6) && isWhole(fromMs) && isWhole(toMs), `${fromMs} to ${toMs}`);
        const within = times.filter((ms) => fromMs * (1 - 1e-9) <= ms && ms < toMs * (1 - 1e-9)).length;
        assertEquals(count, within);
      }
      const sorted = times.toSorted((one, other) => one - other);
      const exact = sorted[Math.ceil(times.length / 2) - 1]!;
      const { p50 } = histogram.distribution!;
      assert(Math.abs(p50 - exact) <= Math.max(0.011 * exact, 1e-9), `${p50}, exactly ${exact}`);
      if (exact < 40 * stepMs) assert(Math.abs(p50 - exact) < 1e-9, `${p50}, exactly ${exact}`);
    }),
  );
});

test("TimeBuckets does not depend on the order of the values", () => {
  const span = fc.tuple(fc.integer({ min: 1.7e12, max: 1.7e12 + 50_000 }), fc.integer({ min: 0, max: 9_000 }));
  fc.assert(
    fc.property(fc.array(span, { minLength: 1, maxLength: 30 }), fc.integer({ min: 1, max: 20 }), (spans, half) => {
      const sums = [spans, spans.toReversed()].map((spans) => {
        const grid = new TimeBuckets(2 * half);
        const [busy, ended] = [grid.addSeries(), grid.addSeries()];
        for (const [fromMs, lengthMs] of spans) {
          grid.addSpan(busy, fromMs, fromMs + lengthMs);
          grid.count(ended, fromMs + lengthMs);
        }
        return [grid.read(busy), grid.read(ended)] as const;
      });
      assertEquals(sums[0], sums[1]);
      const [{ fromMs, widthMs, values }, ended] = sums[0]!;
      assert(values.length <= 2 * half && values.length === ended.values.length);
      values.forEach((value, part) => {
        const beginMs = fromMs + part * widthMs;
        const within = spans.reduce((sum, [from, length]) => {
          return sum + Math.max(0, Math.min(from + length, beginMs + widthMs) - Math.max(from, beginMs));
        }, 0);
        assertEquals(value, within);
      });
      assertEquals(ended.values.reduce((sum, count) => sum + count, 0), spans.length);
    }),
  );
});

test("TopK keeps the first of equal values", () => {
  const list = new TopK<[number, string]>(3, ([amount]) => amount);
  for (const value of [[1, "a"], [2, "b"], [1, "c"], [2, "d"], [0, "e"], [3, "f"]] as const) list.add([...value]);
  assertEquals(list.values, [[3, "f"], [2, "b"], [2, "d"]]);
});

test("RunStatistics has the figures of its results", async () => {
  const at = (ms: number) => new Date(Date.parse("2026-01-02T03:04:05Z") + ms).toISOString();
  const statistics = new RunStatistics();
  assertEquals(statistics.figures, undefined);
  const results = [
    resultWith({ slot: 1, startedAt: at(0), durationMs: 100, userMs: 10, systemMs: 10 }),
    resultWith({ slot: 2, startedAt: at(0), durationMs: 50, outcome: "failed", status: 1, attempts: 3 }),
    resultWith({ slot: 1, startedAt: at(100), durationMs: 100 }),
    resultWith({ slot: 2, startedAt: at(300), durationMs: 100 }),
  ];
  for (const facts of await factsOf(jsonLines(results))) statistics.add(facts);
  const { durationMs, cpuMs, ...figures } = statistics.figures!;
  assertEquals(figures, {
    results: 4,
    outcomes: { ok: 3, failed: 1 },
    attempts: 6,
    listedAttempts: 4,
    retried: 1,
    startedAt: at(0),
    endedAt: at(400),
    spanMs: 400,
    idleMs: 100,
    perSecond: 10,
    slots: 2,
    utilization: 350 / 800,
  });
  assertEquals([durationMs.total, durationMs.max, cpuMs!.count, cpuMs!.total], [350, 100, 1, 20]);
  assertEquals(statistics.busy.values.reduce((sum, ms) => sum + ms, 0), 350);
  assertEquals([statistics.results, statistics.ended.values.reduce((sum, count) => sum + count, 0)], [4, 4]);
  assertEquals(statistics.notOk.values.indexOf(1), 50);
});

test("RunStatistics distinguishes slots of workers on other machines", async () => {
  const statistics = new RunStatistics();
  const worker = (host: string, pid: number, slot: number) => resultWith({ worker: { host, pid }, slot });
  const results = [worker("a", 1, 1), worker("a", 2, 1), worker("b", 1, 1), worker("b", 1, 2), worker("b", 1, 1)];
  for (const facts of await factsOf(jsonLines(results))) statistics.add(facts);
  assertEquals(statistics.figures!.slots, 4);
});

test("RunStatistics limits utilization to 1 when the clock was set back", async () => {
  const statistics = new RunStatistics();
  for (const facts of await factsOf(jsonLines([resultWith({}), resultWith({})]))) statistics.add(facts);
  assertEquals(statistics.figures!.utilization, 1);
});

test("RunStatistics counts all slots that a task occupied", async () => {
  const at = (slot: number, durationMs: number, slots?: number) =>
    resultWith({ slot, durationMs, ...slots && { slots } });
  const figuresOf = async (results: readonly TaskResult[]) => {
    const statistics = new RunStatistics();
    for (const facts of await factsOf(jsonLines(results))) statistics.add(facts);
    const { slots, utilization } = statistics.figures!;
    return [slots, utilization];
  };
  assertEquals(await figuresOf([at(1, 100, 3), at(4, 50)]), [4, 0.875]);
  assertEquals(await figuresOf([at(1, 100), at(2, 50, 3)]), [4, 0.625]);
  assertEquals(await figuresOf([at(1, 100), at(2, 100, 1), at(3, 100)]), [3, 1]);
  const stderrEnd = "";
  const { startedAt } = resultWith({});
  const earlierAttempts = [{ status: 1, outcome: "failed", slot: 3, startedAt, durationMs: 50, stderrEnd }] as const;
  assertEquals(await figuresOf([{ ...at(1, 100, 2), attempts: 2, earlierAttempts }]), [4, 0.75]);
});

test("RunStatistics has no rate for a span of 0 ms", async () => {
  const statistics = new RunStatistics();
  for (const facts of await factsOf(jsonLines([resultWith({ durationMs: 0 })]))) statistics.add(facts);
  const { spanMs, perSecond, utilization } = statistics.figures!;
  assertEquals([spanMs, perSecond, utilization], [0, undefined, undefined]);
});

test("RunStatistics counts the time, the slots and the span of earlier attempts", async () => {
  const at = (ms: number) => new Date(Date.parse("2026-01-02T03:04:05Z") + ms).toISOString();
  const attempt = (fields: Partial<EarlierAttempt>): EarlierAttempt => ({
    ...{ outcome: "failed", status: 1, slot: 1, startedAt: at(0), durationMs: 100, stderrEnd: "no\n" },
    ...fields,
  });
  const statistics = new RunStatistics();
  const results = [
    resultWith({
      slot: 2,
      startedAt: at(300),
      durationMs: 100,
      attempts: 3,
      earlierAttempts: [attempt({}), attempt({ slot: 3, startedAt: at(150), durationMs: 50 })],
    }),
    resultWith({ slot: 1, startedAt: at(100), durationMs: 100 }),
  ];
  for (const facts of await factsOf(jsonLines(results))) statistics.add(facts);
  const { durationMs, idleMs, ...figures } = statistics.figures!;
  assertEquals([figures.attempts, figures.listedAttempts, figures.slots, figures.spanMs], [4, 4, 3, 400]);
  assertEquals([figures.startedAt, figures.endedAt, figures.utilization], [at(0), at(400), 350 / 1_200]);
  assertEquals([durationMs.count, durationMs.total, Math.round(idleMs)], [2, 200, 100]);
  assertEquals([statistics.notOk, statistics.ended].map(({ values }) => values.reduce((sum, n) => sum + n, 0)), [0, 2]);
});

test("busyText() does not claim idle time where the times of attempts are unknown", async () => {
  const textOf = async (...results: TaskResult[]) => {
    const statistics = new RunStatistics();
    for (const facts of await factsOf(jsonLines(results))) statistics.add(facts);
    return busyText(statistics.figures!);
  };
  const first = resultWith({ startedAt: "2026-01-02T03:04:05Z", durationMs: 1000 });
  const later = resultWith({ startedAt: "2026-01-02T03:04:09Z", durationMs: 1000 });
  assertEquals(await textOf(first), "busy 100 % of the time");
  assertMatch(await textOf(first, later), /^busy 40 % of the time; idle for [23]\.\d s$/);
  assertMatch(
    await textOf(first, { ...later, attempts: 2 }),
    /^busy 40 % of the time, counting 2 of 3 attempts; idle for up to [23]\.\d s$/,
  );
  assertEquals(await textOf(resultWith({ durationMs: 0 })), "too short to measure");
});
