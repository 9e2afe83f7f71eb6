/** Flags about resources, waiting tasks and durations. */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import fc from "fast-check";
import { RESOURCE, RESOURCE_USE, resourcesOf, WAITING_LIMIT } from "../../cli/args/resources.ts";
import { INTEGER } from "../../cli/args/units.ts";
import { UsageError } from "../../cli/args/usage_error.ts";
import { readSettings } from "../../cli/commands/run.ts";
import { checkTaskFlags } from "../../cli/each/check_task_flags.ts";
import { Summary } from "../../cli/ui/summary.ts";
import { LearnedDurations, readDurations } from "../../cli/workflow/learned_durations.ts";
import { LineSet } from "../../cli/workflow/line_set.ts";
import { fakeIo } from "../support/fake_io.ts";
import { jsonLines, resultWith, taskrunner, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const RESOURCE_ERRORS: [text: string, problem: string][] = [
  ["gpu", "must be NAME=N or NAME=N:VARIABLE, such as gpu=2 or gpu=2:CUDA_VISIBLE_DEVICES"],
  ["gpu=", "must be NAME=N"],
  ["gpu=two", "must be NAME=N"],
  ["gpu=-1", "must be NAME=N"],
  ["gpu=1.5", "must be NAME=N"],
  ["gpu=0", "must have at least 1 unit"],
  ["gpu=9007199254740992", "must have at least 1 unit"],
  ["gpu=2:", "must name a variable after the colon"],
  ["gpu=2:A-B", "must name a variable after the colon"],
  ["gpu=2:A:B", "must name a variable after the colon"],
  ["gpu=2:1A", "must name a variable after the colon"],
];

test("--resource takes a name, a number of units and a variable", () => {
  assertEquals(RESOURCE.parse("--resource", "gpu=2"), { name: "gpu", units: 2, variable: undefined });
  assertEquals(RESOURCE.parse("--resource", "M_2=64:_x1"), { name: "M_2", units: 64, variable: "_x1" });
  for (const [text, problem] of RESOURCE_ERRORS) {
    assertThrows(() => RESOURCE.parse("--resource", text), UsageError, `--resource ${problem}`);
  }
});

test("the last --resource with a name counts, and names that are wrong or share a variable are refused", async () => {
  const parse = (...texts: string[]) => resourcesOf(texts.map((text) => RESOURCE.parse("--resource", text)));
  assertEquals(await parse(), {});
  assertEquals(await parse("gpu=2:A", "mem=1", "gpu=3"), {
    gpu: { units: 3, variable: undefined },
    mem: { units: 1, variable: undefined },
  });
  for (const name of ["", "1gpu", "g-pu", "gpü", "gpu ", "_gpu", "g\n"]) {
    await assertRejects(() => parse(`${name}=1`), UsageError, "--resource must begin with a name");
  }
  const reserved = 'must not name "slot", because TASKRUNNER_SLOT has another meaning';
  await assertRejects(() => parse("slot=1"), UsageError, reserved);
  const shared = '--resource names "gpu" and "GPU", but the variable of both is TASKRUNNER_GPU';
  await assertRejects(() => parse("gpu=1", "GPU=2"), UsageError, shared);
});

test("--uses takes a name and a number of units", () => {
  assertEquals(RESOURCE_USE.parse("--uses", "gpu=0"), ["gpu", 0]);
  for (const text of ["gpu", "gpu=", "gpu=1:X", "gpu=9007199254740992", ""]) {
    assertThrows(() => RESOURCE_USE.parse("--uses", text), UsageError, "--uses must ");
  }
});

test("--max-waiting takes a number of tasks or a size", () => {
  const parse = (text: string) => WAITING_LIMIT.parse("--max-waiting", text);
  assertEquals(parse("1000"), { tasks: 1_000 });
  assertEquals([parse("1M"), parse("1.5k")], [{ bytes: 1024 ** 2 }, { bytes: 1_500 }]);
  for (const text of ["0", "0M", "9007199254740992", "-1", "many", "", "5x", "1.5"]) {
    assertThrows(() => parse(text), UsageError, "--max-waiting must be");
  }
});

test("--priority takes an integer", () => {
  assertEquals(["-5", "0", "+7"].map((text) => INTEGER.parse("--priority", text)), [-5, 0, 7]);
  for (const text of ["1.5", "x", "", "9007199254740992", "--1"]) {
    assertThrows(() => INTEGER.parse("--priority", text), UsageError, "--priority must be an integer");
  }
});

test("checkTaskFlags() refuses more than the run has", () => {
  const capacity = { concurrency: 4, resources: { gpu: 2 } };
  checkTaskFlags({ slots: 4, uses: [["gpu", 2]] }, capacity);
  checkTaskFlags({}, capacity);
  assertThrows(
    () => checkTaskFlags({ slots: 5 }, capacity),
    UsageError,
    "--slots must be at most the number of --jobs",
  );
  assertThrows(() => checkTaskFlags({ uses: [["gpu", 3]] }, capacity), UsageError, "got gpu=3 with --resource gpu=2");
  assertThrows(() => checkTaskFlags({ uses: [["mem", 0]] }, capacity), UsageError, "Missing --resource mem=N");
});

test("readSettings() refuses to learn from standard input", async () => {
  await assertRejects(() => readSettings({ learn: "-" }, "json"), UsageError, "Cannot use --learn -");
});

test("--learn reports a file that is missing, a directory, broken or empty, and runs nothing", async () => {
  await withTempDirectory(async (directory) => {
    const write = async (name: string, text: string) => {
      await writeFile(join(directory, name), text);
      return name;
    };
    await mkdir(join(directory, "directory"));
    const files: [name: string, problem: string][] = [
      ["missing", 'Cannot read results from "missing": no such file or directory'],
      ["directory", "it is a directory, not a results file"],
      [await write("broken", '{"id":"a"}\n'), "broken:1: Cannot read the result"],
      [await write("empty", ""), 'Cannot learn durations from "empty": the file has no results'],
    ];
    for (const [name, problem] of files) {
      const { status, stdout, stderr } = await taskrunner(["each", "--learn", name, "echo", ":::", "a"], {
        cwd: directory,
      });
      assertEquals([status, stdout, stderr.includes(problem)], [255, "", true], stderr);
    }
  });
});

test("readDurations() returns the last duration of each task that has run", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    await writeFile(
      path,
      jsonLines([
        resultWith({ id: "a", durationMs: 1 }),
        resultWith({ id: "b", durationMs: 2, outcome: "failed", status: 1 }),
        resultWith({ id: "a", durationMs: 3.5 }),
        resultWith({ id: "b", durationMs: 4, outcome: "canceled", status: null }),
        resultWith({ id: "c", durationMs: 5, outcome: "canceled", status: null }),
      ]) + '{"id":"tor',
    );
    const messages: string[] = [];
    const durations = await readDurations(
      path,
      fakeIo({ stderr: (line) => Promise.resolve(void messages.push(line)) }),
    );
    assertEquals(["a", "b", "c", "d"].map((id) => durations.msOf(id)), [3.5, 2, undefined, undefined]);
    assertEquals([durations.size, messages.length], [2, 1]);
  });
});

test("LearnedDurations holds what a Map holds", () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.string({ maxLength: 3, unit: "binary" }), fc.nat())), (entries) => {
    const durations = new LearnedDurations();
    for (const [id, ms] of entries) durations.set(id, ms);
    const map = new Map(entries);
    assertEquals([...map.keys()].map((id) => durations.msOf(id)), [...map.values()]);
    assertEquals(durations.size, map.size);
  }));
});

test("LineSet holds what a Set holds", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 5_000 })), fc.array(fc.nat({ max: 50 })), (lines, others) => {
      const [set, other] = [new LineSet(), new LineSet()];
      const expected = new Set<number>();
      for (const line of lines) {
        assertEquals(set.add(line), !expected.has(line));
        expected.add(line);
      }
      for (const line of others) other.add(line);
      set.addAll(other);
      const all = new Set([...lines, ...others]);
      assertEquals(set.size, all.size);
      for (let line = 0; line <= 5_000; line++) assertEquals(set.has(line), all.has(line));
    }),
    { numRuns: 30 },
  );
});

test("Summary names ten causes of skipped tasks, and counts the others", () => {
  const summary = new Summary();
  const skip = (error: string | undefined) => summary.add(resultWith({ outcome: "skipped", durationMs: 0, error }));
  for (let cause = 1; cause <= 2_000; cause++) {
    const repeats = cause <= 10 ? 20 - cause : 1;
    for (let count = 0; count < repeats; count++) skip(`Skipped because the outcome of "t${cause}\u001b" is failed`);
  }
  skip(undefined);
  const lines = summary.skipLines();
  assertEquals(lines.length, 11);
  assertEquals(lines[0], '19 tasks were skipped because the outcome of "t1\\u001b" is failed');
  assertEquals(lines[10], "1,991 other tasks were skipped, as their results explain");
  assertEquals([summary.failures, summary.lines(0).length], [0, 1]);
});
