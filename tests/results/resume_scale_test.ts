import { crc32 } from "node:zlib";
import fc from "fast-check";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import { crc32OfRange } from "../../results/crc32.ts";
import { bytesOfId, IdTable } from "../../graph/id_table.ts";
import { JsonScanner } from "../../jsonl/json_scanner.ts";
import { ResultIndex } from "../../results/result_index.ts";
import { textOf } from "../../results/span.ts";
import { ResultScanner } from "../../results/result_scanner.ts";
import { TaskScanner } from "../../results/task_scanner.ts";
import { commandHash } from "../../records/command_hash.ts";
import { TaskPass } from "../../results/task_pass.ts";
import { parseTask, type Task, type TaskResult } from "../../mod.ts";
import { OUTCOMES, parseResult } from "../../records/result.ts";
import { EFFORT, SEED } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
const runs = (count: number) => ({ numRuns: count * EFFORT, seed: SEED });

const RESULT = {
  id: "a",
  status: 0,
  outcome: "ok",
  attempts: 1,
  slot: 1,
  startedAt: "2026-01-02T03:04:05.678Z",
  durationMs: 1.5,
  stdout: "hi\n",
  stderr: "",
} as const;

/** Surrounds bytes with other bytes, as in a buffer of a file. */
function between(bytes: Uint8Array, before: string, after: string): [Uint8Array, begin: number, end: number] {
  const all = new Uint8Array([...encoder.encode(before), ...bytes, ...encoder.encode(after)]);
  const begin = encoder.encode(before).length;
  return [all, begin, begin + bytes.length];
}

/** Returns what a scanner finds in a line; `undefined` for a rejected line. The rest of the buffer must not matter. */
function scanResult(line: Uint8Array): Pick<TaskResult, "id" | "outcome" | "cmdHash"> | undefined {
  const found = [["", ""], ['{"id":"', '\n"}'], ["\n", ',"meta":1}']].map(([before, after]) => {
    const [bytes, begin, end] = between(line, before!, after!);
    const scanner = new ResultScanner(new JsonScanner());
    if (!scanner.scan(bytes, begin, end)) return undefined;
    return {
      id: textOf(bytes, scanner.id),
      outcome: OUTCOMES[scanner.outcome]!,
      cmdHash: scanner.hasCmdHash ? textOf(bytes, scanner.cmdHash) : undefined,
    };
  });
  assertEquals([found[1], found[2]], [found[0], found[0]]);
  return found[0];
}

/** The facts that a scanner finds in the line of a task. */
interface ScannedTask extends Pick<Task, "id" | "cmd" | "runIf"> {
  after: string[] | undefined;
  usesCapacity: boolean;
  isWorkflow: boolean;
}

function scanTask(line: Uint8Array): ScannedTask | undefined {
  const found = [["", ""], ['{"id":"', '\n"}'], ["\n", ',"meta":1}']].map(([before, after]) => {
    const [bytes, begin, end] = between(line, before!, after!);
    const scanner = new TaskScanner(new JsonScanner());
    if (!scanner.scan(bytes, begin, end)) return undefined;
    const { cmd, id, hasId, isIdNumber, isShellCommand, hasPrerequisites, runIf, usesCapacity, isWorkflow } = scanner;
    const ids: string[] = [];
    scanner.forEachPrerequisite(bytes, (id) => ids.push(textOf(bytes, id)));
    if (!hasPrerequisites) assertEquals(ids, []);
    return {
      id: !hasId ? undefined : isIdNumber ? Number(textOf(bytes, id)) : textOf(bytes, id),
      cmd: isShellCommand ? textOf(bytes, cmd) : JSON.parse(decoder.decode(bytes.subarray(cmd.begin, cmd.end))),
      after: hasPrerequisites ? ids : undefined,
      runIf,
      usesCapacity,
      isWorkflow,
    };
  });
  assertEquals([found[1], found[2]], [found[0], found[0]]);
  return found[0];
}

/** Checks that the scanners accept only valid lines, and find what `JSON.parse` finds. */
function assertSound(line: Uint8Array): void {
  const result = scanResult(line);
  if (result) {
    const { id, outcome, cmdHash } = parseResult(JSON.parse(decoder.decode(line)));
    assertEquals(result, { id, outcome, cmdHash });
  }
  const task = scanTask(line);
  if (task) {
    const { id, cmd, after, runIf = "ok", priority, uses, slots } = parseTask(JSON.parse(decoder.decode(line)));
    const usesCapacity = uses !== undefined || slots !== undefined;
    const isWorkflow = after !== undefined || priority !== undefined || usesCapacity;
    const ids = after === undefined ? undefined : [after].flat().map(String);
    assertEquals(task, { id, cmd, after: ids, runIf, usesCapacity, isWorkflow });
  }
}

const maybe = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined });
const text = fc.oneof(fc.string(), fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }), fc.constant("a"));
const systemText = text.filter((value) => value.isWellFormed() && !value.includes("\0"));
const milliseconds = fc.double({ min: 0, max: 8e15, noNaN: true }).map(Math.abs);
const smallMilliseconds = fc.integer({ min: 0, max: 1e9 }).map((microseconds) => microseconds / 1000);
const meta = maybe(fc.jsonValue({ maxDepth: 4 }));
const anyDate = fc.date({ noInvalidDate: true, min: new Date("0000-01-01"), max: new Date("9999-12-31") });

const resourceName = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]*$/);

const anyResult: fc.Arbitrary<TaskResult> = fc.record({
  id: text,
  status: fc.oneof(fc.constant(null), fc.integer({ min: 0, max: 255 }), fc.maxSafeInteger()),
  outcome: fc.constantFrom(...OUTCOMES),
  signal: maybe(fc.constantFrom("SIGKILL", "SIGTERM")),
  error: maybe(text),
  attempts: fc.integer({ min: 0, max: 1e6 }),
  slot: fc.integer({ min: 0, max: 1e6 }),
  worker: maybe(fc.record({ host: text, pid: fc.nat() })),
  startedAt: fc.oneof(anyDate.map((date) => date.toISOString()), fc.constant("2026-02-29T00:00:00.000Z"), text),
  durationMs: fc.oneof(milliseconds, smallMilliseconds),
  userMs: maybe(fc.oneof(milliseconds, smallMilliseconds)),
  systemMs: maybe(smallMilliseconds),
  stdout: text,
  stdoutEncoding: maybe(fc.constant("base64" as const)),
  stdoutBytes: maybe(fc.nat()),
  stdoutFile: maybe(text),
  stderr: text,
  stderrEncoding: maybe(fc.constant("base64" as const)),
  stderrBytes: maybe(fc.nat()),
  stderrFile: maybe(text),
  cmdHash: maybe(fc.oneof(text, fc.constant("0e048d3e"))),
  cmd: maybe(fc.oneof(text, fc.array(text))),
  after: maybe(fc.array(text)),
  uses: maybe(fc.dictionary(fc.oneof(text, resourceName), fc.integer({ min: -1 }))),
  slots: maybe(fc.integer({ min: 0 })),
  meta,
});

const anyId = fc.oneof(text, fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true }));

const anyTask: fc.Arbitrary<Task> = fc.record({
  cmd: fc.oneof(text, fc.array(text)),
  id: maybe(anyId),
  cwd: maybe(text),
  env: maybe(fc.dictionary(text, text)),
  stdin: maybe(text),
  stdinFile: maybe(text),
  stdinEncoding: maybe(fc.constant("base64" as const)),
  timeoutMs: maybe(fc.oneof(fc.double(), fc.integer())),
  retries: maybe(fc.integer()),
  after: maybe(fc.oneof(anyId, fc.array(anyId))),
  runIf: maybe(fc.constantFrom("ok", "failed", "done")),
  priority: maybe(fc.oneof(fc.maxSafeInteger(), fc.double())),
  uses: maybe(fc.dictionary(fc.oneof(text, resourceName), fc.integer({ min: -1 }))),
  slots: maybe(fc.integer({ min: -1 })),
  meta,
});

/** Returns JSON as other programs write it: with fields in another order, and spaces. */
const rewritten = (value: object, shift: number, space: number): string => {
  const entries = Object.entries(value);
  const turned = [...entries.slice(shift % entries.length), ...entries.slice(0, shift % entries.length)];
  return JSON.stringify(Object.fromEntries(turned), null, space).replaceAll("\n", "\r\t");
};

test("scanners accept only results and tasks, and find what JSON.parse finds", { timeout: 120_000 }, () => {
  const anyLine = fc.tuple(fc.oneof(anyResult, anyTask), fc.nat({ max: 30 }), fc.nat({ max: 2 }))
    .map(([value, shift, space]) => encoder.encode(rewritten(value, shift, space)));
  const tokens = [
    ...'{}[]",:\\0123456789.-eE \t\r\n\0\x7f',
    "null",
    "\\u0000",
    "\\ud800",
    "\\n",
    '"cmd":',
    '"id":',
    '"after":',
    '"runIf":',
    "__proto__",
  ]
    .map((token) => encoder.encode(token));
  const anyBytes = fc.oneof(fc.constantFrom(...tokens), fc.uint8Array({ maxLength: 3 }));
  fc.assert(fc.property(anyLine, assertSound), runs(500));
  fc.assert(
    fc.property(
      anyLine,
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 3 }), anyBytes), { maxLength: 3 }),
      (line, changes) => {
        let bytes = [...line];
        for (const [at, removed, added] of changes) bytes = bytes.toSpliced(at % (bytes.length + 1), removed, ...added);
        assertSound(new Uint8Array(bytes));
      },
    ),
    runs(2_000),
  );
});

test(
  "scanners accept all usual results and tasks, with fields in any order and with spaces",
  { timeout: 120_000 },
  () => {
    const usualResult = anyResult.map((result) => ({
      ...result,
      attempts: result.outcome === "skipped" ? 0 : result.attempts + 1,
      slot: result.outcome === "skipped" ? 0 : result.slot + 1,
      status: result.status === null ? null : Math.abs(result.status) % 256,
      startedAt: "2026-02-28T23:59:59.999Z",
      durationMs: Math.round(result.durationMs) % 1e9 / 1000,
      userMs: 0,
      systemMs: 20.001,
      uses: result.uses && { gpu: 1, Mem_gb: 0 },
      slots: result.slots === undefined ? undefined : result.slots + 1,
      meta: { list: [1, -2.5, "x", true, null, {}, []], object: { "a b": "\u00e9\u2028" } },
    }));
    const usualTask = fc.record({
      id: fc.oneof(text, fc.nat()),
      cmd: fc.oneof(systemText, fc.array(systemText, { minLength: 1 })).filter((cmd) =>
        cmd.length > 0 && cmd[0] !== ""
      ),
      cwd: maybe(fc.constant("/tmp")),
      env: maybe(fc.constant({ A: "b", C: "" })),
      stdin: maybe(text),
      stdinFile: maybe(fc.constant("in put")),
      timeoutMs: maybe(fc.integer({ min: 1, max: 999_999_999 })),
      retries: maybe(fc.nat()),
      after: maybe(fc.oneof(text, fc.nat(), fc.array(fc.oneof(text, fc.nat()), { minLength: 1 }))),
      runIf: maybe(fc.constantFrom("ok", "failed", "done")),
      priority: maybe(fc.integer()),
      uses: maybe(fc.dictionary(resourceName, fc.nat())),
      slots: maybe(fc.integer({ min: 1 })),
    }).filter(({ stdin, stdinFile }) => stdin === undefined || stdinFile === undefined)
      .map(({ runIf, ...task }) => task.after === undefined ? task : { ...task, runIf });
    fc.assert(
      fc.property(usualResult, fc.nat({ max: 30 }), fc.nat({ max: 2 }), (result, shift, space) => {
        const line = encoder.encode(rewritten(result, shift, space));
        assert(scanResult(line) !== undefined);
        assertSound(line);
      }),
      runs(300),
    );
    fc.assert(
      fc.property(usualTask, fc.nat({ max: 30 }), fc.nat({ max: 2 }), (task, shift, space) => {
        // Escapes such as \u0001 in commands are left to JSON.parse.
        fc.pre(!JSON.stringify(task.cmd).includes("\\u00"));
        const line = encoder.encode(rewritten(task, shift, space));
        assert(scanTask(line) !== undefined);
        assertSound(line);
      }),
      runs(300),
    );
  },
);

test("scanners reject invalid JSON, invalid UTF-8 and invalid records", () => {
  const line = JSON.stringify({ ...RESULT, cmdHash: "0e048d3e", meta: [1] });
  assert(scanResult(encoder.encode(line)) !== undefined);
  const replacements: [string, string][] = [
    ['"a"', "7"],
    ['"a"', '"\\x"'],
    ['"a"', '"\\u12g4"'],
    ['"a"', '"a\tb"'],
    ['"a"', '"a'],
    ['"meta":[1]', '"cmd":1'],
    ['"meta":[1]', '"cmd":["a",1]'],
    ['"meta":[1]', '"cmd":{}'],
    ['"id":"a",', '"id":"a","id":"b",'],
    ['"id":"a",', ""],
    ['"id":"a",', '"id":"a","idd":1,'],
    ['"id":"a",', '"id" "a",'],
    ['"id":"a",', ',"id":"a",'],
    ['"id"', '"\\u0069d"'],
    ["0,", "00,"],
    ["0,", "-1,"],
    ["0,", "1.0,"],
    ["0,", "256.,"],
    ["0,", "256,"],
    ["0,", "999,"],
    ['"slot"', '"signal":"KILL","slot"'],
    ['"slot"', '"signal":"SIG","slot"'],
    ['"slot"', '"signal":"SIGkill","slot"'],
    ['"slot"', '"signal":"SIG KILL","slot"'],
    ['"slot"', '"signal":"SIGOFAVERYLONGNAME","slot"'],
    ["0,", "nul,"],
    ['"ok"', '"OK"'],
    ['"attempts":1', '"attempts":0'],
    ['"slot":1', '"slot":0'],
    ['"ok"', '"skipped"'],
    ['"ok","attempts":1', '"skipped","attempts":0'],
    ['"ok","attempts":1,"slot":1', '"skipped","attempts":1,"slot":0'],
    ['"meta":[1]', '"after":"b"'],
    ['"meta":[1]', '"after":[1]'],
    ['"meta":[1]', '"uses":[]'],
    ['"meta":[1]', '"uses":{"__proto__":1}'],
    ['"meta":[1]', '"uses":{"gpu":-1}'],
    ['"meta":[1]', '"slots":0'],
    ['"attempts":1', '"attempts":9007199254740993'],
    ['"slot":1', '"slot":'],
    ["1.5", "-1.5"],
    ["1.5", "1."],
    ["1.5", ".5"],
    ["1.5", "1.5.5"],
    ["1.5", "9000000000000000"],
    ["1.5", "1e400"],
    ["[1]", "[1,]"],
    ["[1]", "[01]"],
    ["[1]", "[1}"],
    ["[1]", "{a:1}"],
    ["[1]", "{1:1}"],
    ["[1]", "[-]"],
    ["[1]", "[1e]"],
    ["[1]", "[tru]"],
    ["[1]", "[".repeat(200)],
    ["[1]", "1,"],
    ["[1]", '1,"other":2'],
    ["[1]}", "[1]}}"],
    ["[1]}", "[1]} x"],
    ["[1]}", "[1]"],
    ["[1]}", "[1],}"],
  ];
  for (const [there, instead] of replacements) {
    const changed = line.replace(there, instead);
    assert(changed !== line, there);
    assertEquals([changed, scanResult(encoder.encode(changed))], [changed, undefined]);
  }
  const skipped = line.replace('"ok","attempts":1,"slot":1', '"skipped","attempts":0,"slot":0');
  assertEquals(scanResult(encoder.encode(skipped))?.outcome, "skipped");
  for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80], [0x80]]) {
    const [, begin] = between(new Uint8Array(), line.slice(0, line.indexOf("hi")), "");
    const all = encoder.encode(line);
    assertEquals(scanResult(new Uint8Array([...all.slice(0, begin), ...bytes, ...all.slice(begin)])), undefined);
  }
  for (
    const startedAt of [
      "2026-13-01T00:00:00.000Z",
      "2026-02-31T00:00:00.000Z",
      "2026-01-02 03:04:05.678Z",
      "2026-01-02T24:00:00.000Z",
    ]
  ) {
    assertEquals(scanResult(encoder.encode(JSON.stringify({ ...RESULT, startedAt }))), undefined);
  }
});

test("TaskScanner rejects wrong prerequisites, priorities and uses", () => {
  const scan = (fields: string) => scanTask(encoder.encode(`{"cmd":"x",${fields}}`));
  const facts = { id: "a", cmd: "x", after: undefined, runIf: "ok", usesCapacity: false, isWorkflow: true } as const;
  const accepted: [fields: string, expected: Partial<ScannedTask>][] = [
    ['"after":"b"', { after: ["b"] }],
    ['"after": 7 ', { after: ["7"] }],
    ['"after" : [ "b" , 7,"\\n" ],"runIf":"failed"', { after: ["b", "7", "\n"], runIf: "failed" }],
    ['"after":[]', { after: [] }],
    ['"after":[],"runIf":"ok"', { after: [] }],
    ['"runIf":"done","after":[]', { after: [], runIf: "done" }],
    ['"priority":-7', {}],
    ['"uses":{}', { usesCapacity: true }],
    ['"uses":{"gpu":0,"Mem_gb":64}', { usesCapacity: true }],
    ['"slots":4', { usesCapacity: true }],
    ['"retries":0', { isWorkflow: false }],
  ];
  for (const [fields, expected] of accepted) {
    assertEquals([fields, scan(`"id":"a",${fields}`)], [fields, { ...facts, ...expected }]);
  }
  assertEquals(scan('"after":"b"'), undefined);
  const rejected = [
    ...['"after":null', '"after":["b",null]', '"after":["b" "c"]', '"after":["b" "c","cwd":"/"', '"after":[["b"]]'],
    ...[
      '"after":"b',
      '"after":["b"',
      '"after":[',
      '"after":{}',
      '"after":1.5',
      '"after":-1',
      '"after":9007199254740993',
    ],
    ...['"runIf":"ok"', '"runIf":"failed","after":[]', '"after":"b","runIf":"never"', '"after":"b","runIf":1'],
    ...['"priority":1.5', '"priority":-', '"priority":--1', '"priority":"1"', '"priority":1e2', '"priority":-01'],
    ...['"uses":[]', '"uses":{"gpu":-1}', '"uses":{"gpu":1.5}', '"uses":{"g-u":1}', '"uses":{"":1}', '"uses":{"_a":1}'],
    ...['"uses":{"__proto__":1}', '"uses":{"gp\\u0075":1}', '"uses":{"7":1}', '"uses":{"gpu":"1"}'],
    ...['"slots":0', '"slots":-1', '"slots":1.5', '"slots":null'],
  ];
  for (const fields of rejected) assertEquals([fields, scan(`"id":"a",${fields}`)], [fields, undefined]);
  const scanner = new TaskScanner(new JsonScanner());
  for (const line of ['{"id":"a","cmd":"x","after":"b","runIf":"done","slots":2}', '{"id":"a","cmd":"x"}']) {
    const bytes = encoder.encode(line);
    assert(scanner.scan(bytes, 0, bytes.length));
  }
  const { hasPrerequisites, runIf, usesCapacity, isWorkflow } = scanner;
  assertEquals([hasPrerequisites, runIf, usesCapacity, isWorkflow], [false, "ok", false, false]);
});

test("IdTable distinguishes all ids, even ids with the same hash", () => {
  const ids = new IdTable(0);
  const expected = new Map<string, number>();
  const add = (id: string) => {
    if (!expected.has(id)) expected.set(id, expected.size);
    const [bytes, begin, end] = between(bytesOfId(id), "x", "y");
    assertEquals(ids.add(bytes, begin, end), expected.get(id), id);
  };
  const halves = [
    "\ud800",
    "\udfff",
    "\ufffd",
    "\ud800\udc00",
    "\udc00\ud800",
    "a\ud800",
    "ÿ",
    "\xff\xd8",
    "",
    "\0",
    "\0\0",
  ];
  for (let round = 0; round < 2; round++) {
    halves.forEach(add);
    for (let number = 0; number < 5_000; number++) add(`task ${number % 4_000}`);
    for (let number = 4_000; number > 0; number--) add(`task ${number - number % 3}`);
    add("long".repeat(10_000));
  }
  assertEquals(ids.size, expected.size);
  for (const [id, number] of [...expected, ["unknown", -1], ["\ud801", -1]] as const) {
    const [bytes, begin, end] = between(bytesOfId(id), "x", "y");
    assertEquals(ids.find(bytes, begin, end), number, id);
  }
  assertEquals(ids.size, expected.size);
  // 300,000 ids collide in a hash of 32 bits with near certainty.
  const many = new IdTable(0);
  for (let round = 0; round < 2; round++) {
    for (let number = 0; number < 300_000; number++) {
      const bytes = bytesOfId(String(number));
      const found = many.add(bytes, 0, bytes.length);
      if (found !== number) assertEquals(found, number);
    }
  }
});

/** Yields results of `echo N` with ids of 12 characters, in pieces that end anywhere. */
function* manyResults(count: number): Generator<Uint8Array, void> {
  let lines = "";
  for (let number = 1; number <= count; number++) {
    const id = `job-${String(number).padStart(8, "0")}`;
    lines += `${JSON.stringify({ ...RESULT, id, cmdHash: commandHash(`echo ${number}`) })}\n`;
    if (number % 500 !== 0 && number !== count) continue;
    const bytes = encoder.encode(lines);
    yield bytes.subarray(0, 1_000);
    yield bytes.subarray(1_000);
    lines = "";
  }
}

test("ResultIndex and TaskPass take less than 64 bytes for a result, for any number of results", async () => {
  for (const count of [10_000, 33_000, 66_000]) {
    const index = new ResultIndex(false);
    await index.read(manyResults(count));
    assertEquals(index.size, count);
    for (const number of [1, 2, count]) {
      const id = `job-${String(number).padStart(8, "0")}`;
      assertEquals(index.stateOf({ id, cmd: `echo ${number}` }), "done");
      assertEquals(index.stateOf({ id, cmd: `echo ${number + 1}` }), "changed");
    }
    const pass = new TaskPass(index);
    assertEquals(pass.stateOf({ id: "new", cmd: "x" }, count + 1, "line"), "remaining");
    const heldBytes = index.heldBytes + pass.heldBytes;
    assert(heldBytes / count < 64, `${heldBytes} bytes for ${count} results`);
  }
});

test("ResultIndex accepts hashes in capitals, and ignores hashes that are not a CRC-32", async () => {
  const cmd = "echo hi";
  const isChanged = async (cmdHash: string) => {
    const index = new ResultIndex(false);
    await index.read([encoder.encode(`${JSON.stringify({ ...RESULT, id: "a", cmdHash })}\n`)]);
    return index.stateOf({ id: "a", cmd }) === "changed";
  };
  const hash = commandHash(cmd);
  assert(/[a-f]/.test(hash));
  assertEquals(await Promise.all([hash, hash.toUpperCase(), "zzzzzzzz", "00000000"].map(isChanged)), [
    false,
    false,
    false,
    true,
  ]);
});

test("TaskPass returns the same state for a scanned and a parsed task", async () => {
  const tasks: Task[] = [
    { id: "a", cmd: "echo 1" },
    { id: "b", cmd: "echo '1\n'" },
    { id: "c", cmd: ["echo", "1"] },
    { id: 7, cmd: "é" },
    { id: "é\n", cmd: ["é", ""] },
    { id: "\ud800", cmd: "x" },
    { id: "new", cmd: "x" },
  ];
  const result = ({ id, cmd }: Task) => ({ ...RESULT, id: String(id), cmdHash: commandHash(cmd) });
  const results = tasks.slice(0, -1).map((task) => `${JSON.stringify(result(task))}\n`).join("");
  for (const isChanged of [false, true]) {
    const indexes = [new ResultIndex(false), new ResultIndex(false)] as const;
    for (const index of indexes) await index.read([encoder.encode(results)]);
    const [scanned, parsed] = [new TaskPass(indexes[0]), new TaskPass(indexes[1])];
    for (const [index, { id, cmd }] of tasks.entries()) {
      const task = { id, cmd: !isChanged ? cmd : typeof cmd === "string" ? `${cmd} ` : [...cmd, ""] };
      const [line, scanner] = [encoder.encode(JSON.stringify(task)), new TaskScanner(new JsonScanner())];
      assert(scanner.scan(line, 0, line.length));
      const expected = id === "new" ? "remaining" : isChanged ? "changed" : "done";
      assertEquals(parsed.stateOf(task, index + 1, "line"), expected);
      for (let round = 0; round < 2; round++) {
        assertEquals(scanned.stateOfScanned(line, scanner, index + 1), expected);
        assertEquals(scanned.stateOf(task, index + 1, "line"), expected);
      }
      assertEquals(scanned.stateOfScanned(line, scanner, index + 2), undefined);
      assertThrows(() => scanned.stateOf(task, index + 2, "line"), RangeError, "resuming needs unique ids");
      assertEquals(new TaskPass(indexes[0]).stateOfScanned(line, scanner, index + 2), expected);
    }
  }
});

test("TaskPass rejects a position that it cannot store", () => {
  const pass = new TaskPass(new ResultIndex(false));
  for (const position of [0, -1, 1.5, 2 ** 32, NaN]) {
    assertThrows(() => pass.stateOf({ id: "a", cmd: "x" }, position, "task"), RangeError, "its position must be an");
  }
  assertEquals(pass.stateOf({ id: "a", cmd: "x" }, 2 ** 32 - 1, "task"), "remaining");
});

test("TaskPass leaves a scanned task without an id to stateOf(), which rejects it", () => {
  const [pass, scanner] = [new TaskPass(new ResultIndex(false)), new TaskScanner(new JsonScanner())];
  const line = encoder.encode('{"cmd":"x"}');
  assert(scanner.scan(line, 0, line.length));
  assertEquals(pass.stateOfScanned(line, scanner, 1), undefined);
  assertThrows(() => pass.stateOf({ cmd: "x" }, 1, "line"), RangeError, '"id" is missing');
});

test("TaskPass finds an id that occurs twice among many tasks", () => {
  const index = new ResultIndex(false);
  const pass = new TaskPass(index);
  const task = (number: number) => ({ id: `task ${number}`, cmd: "x" });
  for (let number = 1; number <= 1_000; number++) assertEquals(pass.stateOf(task(number), number, "line"), "remaining");
  for (const number of [1, 64, 65, 1_000]) {
    assertThrows(() => pass.stateOf(task(number), 2_000, "line"), RangeError, `also the id of line ${number};`);
  }
  assertEquals([index.size, index.idCount], [0, 1_000]);
});

test("ResultIndex names the line of an invalid result, for chunks of any size", async () => {
  const good = `${JSON.stringify(RESULT)}\n`;
  for (const bad of ['{"id":"c"}', `${JSON.stringify({ ...RESULT, slot: 0 })}`, '"', "\xff"]) {
    const bytes = encoder.encode(`\ufeff${good}\n${good}${bad}\n${good}`);
    for (const pieceBytes of [1, 7, 100, 10_000]) {
      const pieces = Array.from(
        { length: Math.ceil(bytes.length / pieceBytes) },
        (_, index) => bytes.slice(index * pieceBytes, (index + 1) * pieceBytes),
      );
      const error = await assertRejects(() => new ResultIndex(false).read(pieces), SyntaxError);
      assertEquals((error as { lineNumber?: number }).lineNumber, 4);
    }
  }
});

test("crc32OfRange() computes the CRC-32 of zlib", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const [all, begin, end] = between(bytes, "a", "b");
      assertEquals(crc32OfRange(all, begin, end), crc32(bytes));
    }),
    runs(100),
  );
});
