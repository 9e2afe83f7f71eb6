import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { Summary } from "../../cli/ui/summary.ts";
import { jsonLines, resultWith, startTaskrunner } from "../support/helpers.ts";
import { test } from "../support/test.ts";

test("the command prints each failed task and a summary unless --quiet is given", async () => {
  const stdin = jsonLines([{ id: "a", cmd: "exit 3" }, { id: "b\n", cmd: "sleep 0.1" }, { id: "c", cmd: ["no-such"] }]);
  const { stderr } = await startTaskrunner(["-j1"], { stdin }).ended;
  const lines = stderr.split("\n");
  assertEquals(lines.slice(0, 2), [
    'taskrunner: "a" failed with status 3',
    'taskrunner: "c" could not start: the program "no-such" was not found',
  ]);
  assertMatch(lines[2]!, /^taskrunner: 3 tasks in [\d.]+ m?s \([\d.]+\/s\): 1 failed, 1 ok, 1 not-started$/);
  assertEquals(lines.slice(3), [""]);
  for (const flag of ["-q", "--quiet"]) assertEquals((await startTaskrunner([flag], { stdin }).ended).stderr, "");
});

test("Summary names the slowest tasks, and does not count canceled tasks as failed", () => {
  const summary = new Summary();
  for (let id = 1; id <= 5; id++) summary.add(resultWith({ id: `f${id}`, outcome: "timeout", durationMs: id }));
  summary.add(resultWith({ id: "c", outcome: "canceled", durationMs: 0 }));
  assertEquals([summary.tasks, summary.failures], [6, 5]);
  const [counts, ...lines] = summary.lines(1_000);
  assertMatch(counts!, /^6 tasks in .*: 5 timeout, 1 canceled; 1,000 had a result$/);
  assertEquals(lines, ['slowest: "f5" 5 ms, "f4" 4 ms, "f3" 3 ms']);
});

test("Summary does not name the slowest of three tasks, which would be all", () => {
  const summary = new Summary();
  for (const id of ["a", "b", "c"]) summary.add(resultWith({ id }));
  assertEquals(summary.lines(0).length, 1);
  summary.add(resultWith({ id: "d\n", durationMs: 9 }));
  assertMatch(summary.lines(0)[1]!, /^slowest: "d\\n" 9 ms, "[abc]" 1\.5 ms, "[abc]" 1\.5 ms$/);
});

test("Summary counts skipped tasks apart: not as failed, as fast or in the rate", () => {
  const summary = new Summary();
  const skipped = (id: string) => resultWith({ id, outcome: "skipped", attempts: 0, slot: 0, durationMs: 0 });
  summary.add(skipped("a"));
  assertMatch(summary.lines(0).join("\n"), /^1 task in [^(]*: 1 skipped$/);
  for (let id = 1; id <= 3; id++) summary.add(resultWith({ id: `${id}`, durationMs: 0 }));
  assertEquals([summary.tasks, summary.failures, summary.lines(0).length], [4, 0, 1]);
  assertMatch(summary.lines(0)[0]!, /^4 tasks in .*\/s\): 3 ok, 1 skipped$/);
  summary.add(resultWith({ id: "4", durationMs: 0 }));
  assertMatch(summary.lines(0)[1]!, /^slowest: "\d" 0 ms, "\d" 0 ms, "\d" 0 ms$/);
});

test("Summary of an empty run has one line without a rate", () => {
  assertMatch(new Summary().lines(0).join("\n"), /^0 tasks in [\d.]+ m?s$/);
});

test("a message names the task after which --halt ended the run, unless --quiet is given", async () => {
  const args = ["each", "-j1", "--halt", "now,fail=1", "exit {}", ":::", "0", "1", "2"];
  const { status, stderr } = await startTaskrunner(args, { stdin: "" }).ended;
  assertEquals(
    [status, stderr],
    [
      1,
      'taskrunner: "1" failed with status 1\n' +
      'taskrunner: --halt ended the run after "1"; other tasks may not have run\n',
    ],
  );
  assertEquals((await startTaskrunner(["each", "-q", ...args.slice(1)], { stdin: "" }).ended).stderr, "");
});
