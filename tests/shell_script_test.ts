import { test } from "node:test";
import { assertEquals } from "@std/assert/equals";
import { parseReport, parseTimes } from "../executors/shell_script.ts";

const TIMES = "0m0.00s 0m0.01s\n0m1.50s 0m0.25s\n";

test("a report has the status, whether there are errors, the times of the children, and what the shell has said", () => {
  const times = "0m1.50s 0m0.25s";
  const reports: [string, unknown][] = [
    [`${TIMES}7 0 1\n`, { status: 0, stderrIsEmpty: true, times, messages: "" }],
    [`${TIMES}7 3 0\n`, { status: 3, stderrIsEmpty: false, times, messages: "" }],
    [`Killed\n${TIMES}7 137 1\n`, { status: 137, stderrIsEmpty: true, times, messages: "Killed" }],
    [`sh: 1: a\n\nb\n${TIMES}7 2 1\n`, { status: 2, stderrIsEmpty: true, times, messages: "sh: 1: a\n\nb" }],
  ];
  for (const [text, report] of reports) assertEquals(parseReport(text, 7), report as never);
});

test("a report that is not complete, or of another attempt, is none", () => {
  const text = `Killed\n${TIMES}7 137 1\n`;
  for (let end = 0; end < text.length; end++) assertEquals([end, parseReport(text.slice(0, end), 7)], [end, undefined]);
  for (const number of [6, 77, 137]) assertEquals(parseReport(text, number), undefined);
  assertEquals(parseReport("7 0 1\n", 7), undefined);
});

test("times are read with minutes, and with a comma in their seconds", () => {
  assertEquals(parseTimes("1m2.34s 0m0.1s"), [62_340, 100]);
  assertEquals(parseTimes("0m0,5s 12m0,000s"), [500, 720_000]);
});
