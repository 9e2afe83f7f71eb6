import { assertEquals } from "@std/assert/equals";
import { assertStringIncludes } from "@std/assert/string-includes";
import { assertThrows } from "@std/assert/throws";
import { formatDuration } from "../../text/format.ts";
import { parseDuration } from "../../cli/args/units.ts";
import { jsonLines, taskFile, taskrunner, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

test("a duration has the form of timeout(1), or several units", () => {
  const durations: [string, number][] = [
    ["1.5", 1_500],
    [".5", 500],
    [".02m", 1_200],
    ["0", 0],
    ["500ms", 500],
    ["30s", 30_000],
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
    ["1d2h", 93_600_000],
  ];
  for (const [text, ms] of durations) assertEquals(parseDuration("--timeout", text), ms);
  for (const text of ["", "x", "1x", "s", "1s1m", "-1", "1e3", "1,5", "1 s", ".", "1.2.3"]) {
    assertThrows(() => parseDuration("--timeout", text), Error, "--timeout must be a duration such as 500ms, 30s");
  }
  assertThrows(() => parseDuration("--timeout", "25d"), Error, "--timeout must be at most 24d");
  assertEquals([0, 999, 1_500, 59_940, 61_000, 3_600_000, 11_000_000].map(formatDuration), [
    "0 ms",
    "999 ms",
    "1.5 s",
    "59.9 s",
    "1m01s",
    "1h00m",
    "3h03m",
  ]);
});

test("--timeout, --kill-after, --retries and --retry-delay apply to every task", async () => {
  const flags = ["--timeout", "200ms", "--kill-after", "50ms", "--retries", "1", "--retry-delay", "1ms"];
  const stdin = jsonLines([
    { cmd: "trap '' TERM; while :; do sleep 0.01; done" },
    { cmd: "[ $TASKRUNNER_ATTEMPT = 2 ]", timeoutMs: 60_000 },
    { cmd: "exit 3", timeoutMs: 60_000, retries: 0 },
  ]);
  for (const executor of ["shell", "process"]) {
    const { status, results } = await taskrunner([...flags, "-k", "--executor", executor], { stdin });
    assertEquals(status, 2);
    assertEquals(results.map(({ outcome, status, attempts }) => [outcome, status, attempts]), [
      ["timeout", 124, 2],
      ["ok", 0, 2],
      ["failed", 3, 1],
    ]);
  }
});

test("--retry-on sets the outcomes after which tasks are retried", async () => {
  const stdin = jsonLines([{ cmd: "exit 3" }, { cmd: ["no-such-program"] }, { cmd: "sleep 60", timeoutMs: 50 }]);
  const attempts = async (flags: string[]) => {
    const { results } = await taskrunner(["-k", "--retries", "1", ...flags], { stdin });
    return results.map(({ attempts }) => attempts);
  };
  assertEquals(await attempts([]), [2, 1, 2]);
  assertEquals(await attempts(["--retry-on", "not-started"]), [1, 2, 1]);
  assertEquals(await attempts(["--retry-on", "failed,not-started"]), [2, 2, 1]);
});

test("a task has its id, slot and attempt in its environment", async () => {
  const cmd = 'echo "$TASKRUNNER_ID,$TASKRUNNER_SLOT,$TASKRUNNER_ATTEMPT"; [ $TASKRUNNER_ATTEMPT = 2 ]';
  const ids = ["plain", "it's\n$HOME", "a\0b", "é", "x".repeat(200_000)];
  const programs = ids.map((id) => ({ id, cmd: ["sh", "-c", cmd] }));
  const pipes = { id: "pipes", cmd: `${cmd} </dev/stdin` };
  const tasks = [...ids.map((id) => ({ id, cmd })), ...programs, pipes, { cmd, env: { TASKRUNNER_ID: "mine" } }];
  for (const executor of ["shell", "process"]) {
    const { results } = await taskrunner(["-j1", "--retries", "1", "--executor", executor], {
      stdin: jsonLines(tasks),
    });
    const expected = [...ids, ...ids, "pipes", "mine"]
      .map((id) => `${id.replace("\0", "").slice(0, 32 * 1024)},1,2\n`);
    assertEquals(results.map(({ stdout }) => stdout), expected);
  }
});

test("--halt ends the run as in GNU parallel, and so does its exit status", async () => {
  await withTempDirectory(async (directory) => {
    const statuses = [0, 7, 0, 1, 1, 0, 0, 0, 0, 0];
    const path = await taskFile(directory, statuses.map((status) => ({ cmd: `exit ${status}` })));
    const cases: [halt: string, status: number, results: number][] = [
      ["now,fail=1", 7, 2],
      ["soon,fail=1", 7, 2],
      ["soon,fail=3", 3, 5],
      ["soon,fail=30%", 30, 5],
      ["soon,success=2", 0, 3],
      ["soon,done=1", 0, 1],
      ["soon,done=2", 1, 2],
      ["now,fail=4", 3, 10],
    ];
    for (const [halt, expected, count] of cases) {
      const { status, results } = await taskrunner(["-j1", "--halt", halt, path]);
      assertEquals([halt, status, results.length], [halt, expected, count]);
    }
    // Without reaching the percentage, the status is a percentage as well, as in GNU parallel.
    const unmet = await taskrunner(["-j1", "--halt", "now,fail=40%", path]);
    assertEquals([unmet.status, unmet.results.length], [30, 10]);
    const percentage = await taskrunner(["--halt", "now,fail=10%"], { stdin: "" });
    assertEquals(percentage.status, 255);
    assertStringIncludes(percentage.stderr, "Cannot use --halt with N%: the number of tasks is unknown");
    const wrong = await taskrunner(["--halt", "never"]);
    assertEquals(wrong.status, 255);
    assertStringIncludes(wrong.stderr, "--halt must have the form WHEN,WHAT=N or WHEN,WHAT=N%");
  });
});

test("a run that halts because of an output limit has a failure status", async () => {
  const stdin = jsonLines([{ cmd: "echo this is too much; exit 0" }, { cmd: "true" }]);
  for (const halt of ["now,fail=1", "soon,done=1"]) {
    const flags = ["-j1", "--max-output", "5", "--halt", halt];
    const { status, results } = await taskrunner(flags, { stdin });
    assertEquals([halt, results.map(({ outcome }) => outcome)], [halt, ["output-limit"]]);
    assertEquals([halt, status], [halt, results[0]!.status || 1]);
  }
});

test("the exit status for 11 failed tasks of 20 is 55", async () => {
  await withTempDirectory(async (directory) => {
    const path = await taskFile(
      directory,
      Array.from({ length: 20 }, (_, index) => ({ cmd: `exit ${index < 11 ? 1 : 0}` })),
    );
    assertEquals((await taskrunner(["--halt", "now,done=100%", path])).status, 55);
  });
});

test("--halt now ends the running tasks, whose outcome is canceled", async () => {
  const stdin = jsonLines([{ cmd: "sleep 300" }, { cmd: "exit 5" }]);
  const { status, results } = await taskrunner(["-j2", "--halt", "now,fail=1"], { stdin });
  assertEquals([status, results.map(({ id, outcome }) => [id, outcome])], [5, [["2", "failed"], ["1", "canceled"]]]);
});
