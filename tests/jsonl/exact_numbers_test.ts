import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { assertStringIncludes } from "@std/assert/string-includes";
import { assertThrows } from "@std/assert/throws";
import { mayLoseDigits, parseExactly, rawNumber } from "../../jsonl/exact_numbers.ts";
import { InvalidTaskError, parseTask, readTasks, run, type Task, TaskRunner } from "../../mod.ts";
import { natsExecutor } from "../../nats/mod.ts";
import { instantExecutor } from "../support/fake_executor.ts";
import { collect, EFFORT, SEED, startTaskrunner, taskrunner, withTempDirectory } from "../support/helpers.ts";
import { withNatsServer, withWorker } from "../support/nats_helpers.ts";
import { test } from "../support/test.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** Numbers that change when parsed to a JavaScript number and written back. */
const INEXACT = [
  "12345678901234567890",
  "-12345678901234567890",
  "9007199254740993",
  "1700000000.12345678",
  "1700000000.12345679",
  "0.10000000000000000555",
  "1e400",
  "-1E+400",
  "1e-400",
  "123456789012345678901e-5",
  "4.9e-324",
  "1e99999999999999999999",
  "0.00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001e-300",
];

/** Numbers that keep their value, even if written back in another form. */
const EXACT = [
  "0.1",
  "1e3",
  "1.0",
  "-0",
  "0e400",
  "0.000e-9999",
  "1.50",
  "100000000000000000000000",
  "1e23",
  "9007199254740992",
  "9007199254740994",
  "123456789012345680000",
  "1.7976931348623157e308",
  "5e-324",
  "0.30000000000000004",
  "1700000000.1234567",
  "10000000000000000000000000000000000000000e-40",
  "0.00000000000000000000000000000000000000001e41",
];

test("parseExactly() keeps the text of exactly those numbers that would lose precision", () => {
  for (const number of INEXACT) {
    assertEquals([number, mayLoseDigits(number), rawNumber(parseExactly(number))], [number, true, number]);
    assertEquals(JSON.stringify(parseExactly(`{"a":[${number}, 1]}`)), `{"a":[${number},1]}`);
  }
  for (const number of EXACT) assertEquals([number, parseExactly(number)], [number, JSON.parse(number)]);
  for (const value of [{ rawJSON: "1" }, null, 1, "1", Object.freeze({ __proto__: null })]) {
    assertEquals(rawNumber(value), undefined);
  }
});

/** Converts a decimal number to a fraction. */
function fractionOf(decimal: string): [numerator: bigint, denominator: bigint] {
  const [, sign, whole, fraction = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:e([-+]?\d+))?$/i.exec(decimal)!;
  const power = Number(exponent) - fraction.length;
  const digits = BigInt(`${sign}${whole}${fraction}`);
  return power >= 0 ? [digits * 10n ** BigInt(power), 1n] : [digits, 10n ** BigInt(-power)];
}

test("parseExactly() agrees with exact fractions", { timeout: 120_000 }, () => {
  const digits = fc.bigInt({ min: 0n, max: 10n ** 24n }).map(String);
  const zeros = fc.nat({ max: 30 }).map((count) => "0".repeat(count));
  const anyNumber = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.tuple(fc.constantFrom("", "-"), digits, zeros).map(([sign, whole, more]) =>
      sign + (whole === "0" ? whole : whole + more)
    ),
    fc.tuple(digits, zeros, digits, zeros).map(([whole, before, fraction, after]) =>
      `${whole}.${before}${fraction}${after}`
    ),
    fc.tuple(digits, digits, fc.integer({ min: -340, max: 340 })).map(([whole, fraction, exponent]) =>
      `${whole}.${fraction}e${exponent}`
    ),
  );
  fc.assert(
    fc.property(anyNumber, (source) => {
      const written = JSON.stringify(JSON.parse(source));
      const [numerator, denominator] = fractionOf(source);
      const [otherNumerator, otherDenominator] = written === "null" ? [1n, 0n] : fractionOf(written);
      const isExact = otherDenominator !== 0n && numerator * otherDenominator === otherNumerator * denominator;
      assertEquals([source, rawNumber(parseExactly(source))], [source, isExact ? undefined : source]);
      assert(isExact || mayLoseDigits(source), source);
    }),
    { numRuns: 2_000 * EFFORT, seed: SEED },
  );
});

test("parseExactly() parses everything but numbers as JSON.parse() does", { timeout: 120_000 }, () => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      assertEquals(parseExactly(json), JSON.parse(json));
    }),
    { numRuns: 300 * EFFORT, seed: SEED },
  );
  const [parsed, exact] = [JSON.parse, parseExactly].map((parse) =>
    parse('{"__proto__":{"a":1},"a":1,"a":[]}') as object
  );
  assertEquals([Object.keys(exact!), Object.getPrototypeOf(exact)], [Object.keys(parsed!), Object.prototype]);
  assertThrows(() => parseExactly("[".repeat(1_000_000) + "]".repeat(1_000_000)), RangeError, "nested too deeply");
});

test("readTasks() keeps all digits of numbers in meta, and rejects an id that would lose some", async () => {
  for (const number of INEXACT) {
    const lines = `{"cmd":"x","meta":{"n":[${number}]},"id":"12345678901234567890"}\n{"cmd":"x","meta":${number}}\n`;
    const tasks = await collect(readTasks([encode(lines)]));
    assertEquals(tasks.map(({ meta }) => JSON.stringify(meta)), [`{"n":[${number}]}`, number]);
    const problem = await assertRejects(() => collect(readTasks([encode(`{"cmd":"x","id":${number}}`)])), SyntaxError);
    const remedy = `"id" must be a string, such as "id":"${number.slice(0, 50)}`;
    assertStringIncludes(problem.message, `Line 1: Cannot read the task: ${remedy}`);
    assertStringIncludes(problem.message, "because the number would lose digits");
  }
  for (const number of EXACT.filter((number) => Math.abs(Number(number)) < 2 ** 53)) {
    const [task] = await collect(readTasks([encode(`{"cmd":"x","id":${number},"meta":${number}}`)]));
    assertEquals([task!.id, task!.meta], [JSON.parse(number), JSON.parse(number)]);
  }
  // Fields other than id and meta are JavaScript numbers, and their errors are unchanged.
  const [task] = await collect(readTasks([encode('{"cmd":"x","timeoutMs":1000.00000000000000001}')]));
  assertEquals(task!.timeoutMs, 1000);
  const wrong = '{"cmd":"x","timeoutMs":1e400}';
  await assertRejects(() => collect(readTasks([encode(wrong)])), SyntaxError, '"timeoutMs" must be at most 2147483647');
  await assertRejects(() => collect(readTasks([encode("[1e400]")])), SyntaxError, "it must be a JSON object");
  await assertRejects(
    () => collect(readTasks([encode('{"cmd":"x","metta":1e400}')])),
    SyntaxError,
    'unknown field "metta"',
  );
});

test("the command keeps all digits of numbers in meta, and rejects an id that would lose some", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "tasks.jsonl");
    const output = join(directory, "results.jsonl");
    await writeFile(
      path,
      INEXACT.map((number, index) => `{"id":${index},"cmd":"true","meta":{"n":${number}}}\n`).join(""),
    );
    for (const args of [["-k", path], ["-k", path, "-o", output], ["-k", path, "-o", `${output}2`, "--resume"]]) {
      const { status, stdout } = await startTaskrunner(args, { stdin: "" }).ended;
      const lines = stdout.split("\n").slice(0, -1);
      assertEquals([status, lines.length], [0, args.length === 2 ? INEXACT.length : 0]);
      for (const [index, line] of lines.entries()) assertStringIncludes(line, `"meta":{"n":${INEXACT[index]}}}`);
    }
    // Commands that read results accept these numbers, too.
    for (const args of [["stats", output, "--json"], [path, "-o", output, "--resume"]]) {
      assertEquals((await taskrunner(args)).status, 0);
    }
    const ids = ["1700000000.12345678", "1700000000.12345679"];
    await writeFile(path, ids.map((id) => `{"id":${id},"cmd":"true"}\n`).join(""));
    for (const flags of [[], ["--resume"], ["--dry-run"]]) {
      const { status, stderr } = await taskrunner([path, "-o", `${output}3`, ...flags]);
      assertEquals(status, 255);
      const problem = `"id" must be a string, such as "id":"${ids[0]}", because the number would lose digits`;
      assertStringIncludes(stderr, `tasks.jsonl:1: Cannot read the task: ${problem}`);
    }
  });
});

test("TaskRunner keeps all digits of numbers in meta, in this process and in another", async () => {
  const line = `{"id":"a","cmd":"true","meta":[${INEXACT}]}\n`;
  const tasks = await collect(readTasks([encode(line)]));
  for (const isolate of [true, false]) {
    const runner = new TaskRunner({ isolate });
    for (const task of tasks) runner.add(task);
    const [result] = await collect(runner.results());
    assertEquals([isolate, JSON.stringify(result!.meta)], [isolate, `[${INEXACT}]`]);
  }
});

test("natsExecutor() keeps all digits of numbers in meta", async () => {
  const tasks = await collect(readTasks([encode(`{"id":"a","cmd":"true","meta":[${INEXACT}]}\n`)]));
  await withNatsServer(async (server) => {
    await withWorker(server, async () => {
      const [result] = await collect(run(tasks, { executor: natsExecutor({ servers: server.url, queue: "q" }) }));
      assertEquals([result!.outcome, JSON.stringify(result!.meta)], ["ok", `[${INEXACT}]`]);
    });
  });
});

test("parseTask() rejects NaN and infinities in meta, which JSON would turn into null", async () => {
  for (const number of [NaN, Infinity, -Infinity]) {
    for (const meta of [number, [number], { a: [null, { b: number }] }]) {
      const task: Task = { cmd: "x", meta };
      const problem = '"meta" must be a value that JSON can represent';
      assertThrows(() => parseTask(task), InvalidTaskError, problem);
      assertThrows(() => new TaskRunner().add(task), InvalidTaskError, problem);
      await assertRejects(() => collect(run([task], { executor: instantExecutor() })), InvalidTaskError, problem);
    }
  }
  for (const meta of [null, [null], "null", { null: 1 }, { a: undefined }, 1e308, -0]) {
    assertEquals(parseTask({ cmd: "x", meta }).meta, meta);
  }
});
