/** The result readers for `stats`, `report`, `trace` and `watch`: the fast and the full parser agree. */

import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { ReportCollector } from "../../report/collector.ts";
import { readResults, type ResultFacts } from "../../results/statistics/results_reader.ts";
import { RunStatistics } from "../../results/statistics/run_statistics.ts";
import { ChromeTrace } from "../../report/chrome_trace.ts";
import { assertExpected, bytesOf, chunks, textOf } from "./target.ts";

const FIELDS =
  "id status outcome signal error attempts slot worker startedAt durationMs userMs systemMs stdout stderr cmdHash cmd after uses slots meta " +
  "earlierAttempts stderrEnd stderrEndEncoding";

export const tokens = [
  ...FIELDS.split(" ").map((name) => `"${name}":`),
  ..."ok failed killed timeout canceled not-started output-limit skipped base64".split(" ").map((word) => `"${word}"`),
  ...'{ } " , : \n \r\n null 0 00 -1 1.5 1e999 1e308 999999999999999 9007199254740993 \\u0000 \\ud800 \\x \ufeff \u2028 \0'
    .split(" "),
  '"worker":{"host":"a","pid":7},',
  '"2026-01-02T03:04:05.678Z"',
  '"-271821-04-20T00:00:00.000Z"',
  '"0000-01-01T00:00:00Z"',
  '"2026-02-31T00:00:00.000Z"',
  '"SIGKILL"',
  "+01:00",
];

const begin = '{"id":"1","status":0,"outcome":"ok","attempts":1,"slot":1,"startedAt":"2026-01-02T03:04:05.678Z",';
const end = '"stdout":"","stderr":""}';

export const seeds = [
  `${begin}"durationMs":1.5,${end}\n`,
  `${
    begin.replace('"attempts":1', '"attempts":2')
  }"durationMs":1.5,"earlierAttempts":[{"outcome":"failed","status":3,` +
  `"slot":2,"startedAt":"2026-01-02T03:04:05.000Z","durationMs":10,"userMs":1,"systemMs":2,"stderrEnd":"no"}],${end}\n`,
  `${begin}"durationMs":1,"userMs":1.5,"systemMs":0,${end}\r\n\n${begin}"durationMs":0,${end}`,
  `\ufeff{"id":"a\\n\\u0041","status":null,"outcome":"failed","signal":"SIGTERM","error":"it is \\"late\\"","attempts":3,` +
  `"slot":12,"worker":{"host":"node-1","pid":4711},"startedAt":"2028-02-29T23:59:59.999Z","durationMs":1e-7,${end}\n`,
  `{"stderr":"e","id":"x","status":1,"outcome":"failed","attempts":1,"slot":2,"startedAt":"0000-01-01T00:00:00Z",` +
  `"durationMs":8e15,"stdout":""}`,
  `${begin}"durationMs":1,"userMs":1e308,"systemMs":1e308,${end}\n`.replace('"attempts":1', '"attempts":1e308'),
  `${begin}"durationMs":1,${end}`.replace('"slot":1', '"slot":0'),
  `${begin}"durationMs":01,${end}`,
  `${begin}"durationMs":1,${end}`.replace('"id":"1"', '"id":"\\x"'),
  `${begin}"durationMs":1e999,${end}`,
  `${begin}"durationMs":1,${end}`.replace('"status":0', '"status":256'),
  `${begin}"durationMs":1,${end}`.replace("01-02T", "02-30T"),
  `${begin}"durationMs":1,${end}`.replace('"attempts"', '"signal":"rain","attempts"'),
  `${begin}"durationMs":1,"userMs":1e999,"systemMs":0,${end}`,
  `${begin}"durationMs":0,${end}`.replace('"ok","attempts":1,"slot":1', '"skipped","attempts":0,"slot":0'),
  `${begin}"durationMs":0,${end}`.replace('"ok","attempts":1', '"skipped","attempts":0'),
  `${begin}"durationMs":0,${end}`.replace('"attempts":1,"slot":1', '"attempts":0,"slot":0'),
  `${begin}"durationMs":1,${end.replace("}", ',"after":["2"],"uses":{"gpu":1},"slots":2}')}`,
];

export async function fuzz(data: Uint8Array): Promise<void> {
  const whole = await factsOf(data, Math.max(1, data.length));
  assertEquals(await factsOf(data, 5), whole);
  assertSummed(whole.facts);
  await assertSameBeginning(textOf(data));
}

interface Read {
  facts: ResultFacts[];
  /** The error of the invalid line. */
  lineNumber: number | undefined;
}

async function factsOf(bytes: Uint8Array, chunkBytes: number): Promise<Read> {
  const facts: ResultFacts[] = [];
  try {
    await readResults(chunks(bytes, chunkBytes), (fact) => facts.push(fact));
    return { facts, lineNumber: undefined };
  } catch (error) {
    assertExpected(error);
    return { facts, lineNumber: (error as { lineNumber: number }).lineNumber };
  }
}

/** Asserts that both parsers agree on a truncated result; a leading space selects the full parser. */
async function assertSameBeginning(text: string): Promise<void> {
  const [beginning] = text.replace(/^\ufeff+/, "").split(/(?<="stdout":")|\n/);
  if (!beginning!.endsWith('"stdout":"')) return;
  const line = `${beginning}","stderr":""}`;
  const [short, long] = [await factsOf(bytesOf(line), 1000), await factsOf(bytesOf(` ${line}`), 1000)];
  assertEquals(short, long, line);
}

/** Asserts that statistics, report and trace of any results are consistent and can be serialized. */
function assertSummed(facts: readonly ResultFacts[]): void {
  if (facts.length === 0) return;
  const [statistics, collector, trace] = [new RunStatistics(), new ReportCollector(4), new ChromeTrace()];
  for (const fact of facts) {
    statistics.add(fact);
    collector.add(fact, () => ({ stderr: "" }) as never);
    trace.add(fact);
  }
  const { figures, busy, ended } = statistics;
  const ran = facts.filter(({ outcome }) => outcome !== "skipped");
  const listed = ran.flatMap((fact) =>
    [fact, ...fact.earlierAttempts].map(({ durationMs, slot }) => ({ durationMs, slot, slots: fact.slots }))
  );
  const maxSlots = listed.reduce((max, { slot, slots }) => Math.max(max, slot + slots - 1), listed.length);
  assert(figures!.results === facts.length && figures!.slots <= maxSlots);
  assert(
    facts.every(({ outcome, attempts, slot }) => [attempts, slot].every((n) => (n === 0) === (outcome === "skipped"))),
  );
  assertEquals(figures!.listedAttempts, listed.length);
  assertEquals(Object.values(figures!.outcomes).reduce((sum, count) => sum + count), facts.length);
  assertEquals(ended.values.reduce((sum, count) => sum + count, 0), ran.length);
  const busyMs = busy.values.reduce((sum, ms) => sum + ms, 0);
  const totalMs = listed.reduce((sum, { durationMs }) => sum + durationMs, 0);
  assert(Math.abs(busyMs - totalMs) <= 1 + 1e-6 * totalMs, `busy for ${busyMs} of ${totalMs} ms`);
  const { attempts, cpuMs } = figures!;
  assert(attempts >= ran.length && attempts < Infinity && (cpuMs?.total ?? 0) < Infinity);
  const { min, p50, p90, p99, p999, max, mean } = figures!.durationMs;
  const rising = [min, p50, p90, p99, p999, max];
  assertEquals(rising.toSorted((one, other) => one - other), rising);
  assert(mean >= min && mean <= max * (1 + 1e-9));
  assert(figures!.idleMs <= figures!.spanMs + 1 && (figures!.utilization ?? 0) <= 1);
  JSON.stringify(collector.data("name"));
  const slices = [...trace.events()].filter(({ ph }) => ph === "X");
  assertEquals(slices.length, listed.length);
}
