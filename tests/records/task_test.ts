import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { environmentOf } from "../../executors/task_variables.ts";
import { assertStringIncludes } from "@std/assert/string-includes";
import { assertThrows } from "@std/assert/throws";
import { readTasks, readUnsharedTasks } from "../../records/read_tasks.ts";
import type { InvalidLineError } from "../../jsonl/mod.ts";
import { InvalidTaskError } from "../../records/invalid_task_error.ts";
import { commandHash } from "../../records/command_hash.ts";
import { type CheckedTask, checkTask, checkTaskLine, parseTask, type Task } from "../../records/task.ts";
import { inputOf, lineOfTask } from "../../records/task_input.ts";
import { byteStream, collect, jsonLines } from "../support/helpers.ts";
import { test } from "../support/test.ts";

function problemOf(value: unknown): string {
  const error = assertThrows(() => parseTask(value), InvalidTaskError);
  assertEquals(error.message, `Cannot read the task: ${error.problem}`);
  return error.problem;
}

test("parseTask() returns a task with every field unchanged", () => {
  const task = {
    cmd: ["printf", "%s", ""],
    id: "a",
    cwd: "/tmp",
    env: { PATH: "/bin", constructor: "x", "not.an identifier": "" },
    stdin: "a\0b\n",
    timeoutMs: 0.5,
    retries: 3,
    after: ["b", 7, "\ud800"],
    runIf: "done",
    priority: -3,
    uses: { gpu: 1, Mem_gb: 0 },
    slots: 2,
    meta: { deep: [{ __proto__: null }] },
  };
  assert(parseTask(task) === task);
  assertEquals(parseTask({ cmd: " ", id: undefined, cwd: undefined }).cmd, " ");
});

test("parseTask() accepts any JSON value as meta", () => {
  for (const meta of [null, 0, "", false, [], {}]) assertEquals(parseTask({ cmd: "x", meta }).meta, meta);
});

test("parseTask() rejects a value that is not an object", () => {
  for (const value of [null, 1, "echo hi", true, ["echo", "hi"]]) {
    assertEquals(problemOf(value), `it must be a JSON object such as {"cmd":"echo hi"}, got ${JSON.stringify(value)}`);
  }
});

test("parseTask() rejects a task without cmd", () => {
  assertEquals(problemOf({}), 'the field "cmd" is missing');
  assertEquals(problemOf({ id: "x" }), 'the field "cmd" is missing');
});

test("parseTask() rejects a cmd that is not a string or an array of strings, or is empty", () => {
  const must = '"cmd" must be a shell command or an array of a program and its arguments';
  assertEquals(problemOf({ cmd: 5 }), `${must}, got 5`);
  assertEquals(problemOf({ cmd: null }), `${must}, got null`);
  assertEquals(problemOf({ cmd: { a: 1 } }), `${must}, got {"a":1}`);
  assertEquals(problemOf({ cmd: [] }), `${must}, got []`);
  assertEquals(problemOf({ cmd: "" }), '"cmd" must not be empty, got ""');
  assertEquals(problemOf({ cmd: [""] }), '"cmd" must begin with the name of a program, got [""]');
  assertEquals(problemOf({ cmd: ["echo", 5] }), '"cmd[1]" must be a string, got 5');
  assertEquals(problemOf({ cmd: ["echo", "x", null] }), '"cmd[2]" must be a string, got null');
});

test("parseTask() rejects NUL and lone surrogates in text for the system", () => {
  const must = "must not contain a NUL character or a lone surrogate";
  assertEquals(problemOf({ cmd: "a\0b" }), `"cmd" ${must}, got "a\\u0000b"`);
  assertEquals(problemOf({ cmd: ["a", "\0"] }), `"cmd[1]" ${must}, got "\\u0000"`);
  assertEquals(problemOf({ cmd: "\ud800" }), `"cmd" ${must}, got "\\ud800"`);
  assertEquals(problemOf({ cmd: "x", cwd: "/\0" }), `"cwd" ${must}, got "/\\u0000"`);
  assertEquals(problemOf({ cmd: "x", cwd: "" }), '"cwd" must not be empty, got ""');
});

test("parseTask() accepts escaped bytes where programs get them, and rejects other lone surrogates", () => {
  const must = "must not contain a NUL character or a lone surrogate";
  for (const text of ["caf\udce9", "\udc80\udcff", "😀\udce9"]) {
    const tasks = [{ cmd: text }, { cmd: [text, text] }, { cmd: "x", env: { A: text }, stdinFile: text }];
    for (const task of tasks) assertEquals(parseTask(task), task);
    const stdin = { file: text };
    assertEquals(parseTask({ cmd: "x", stdin }), { cmd: "x", stdin });
    assertEquals(problemOf({ cmd: "x", cwd: text }), `"cwd" ${must}, got ${JSON.stringify(text)}`);
    const name = "is not the name of a variable: it must not be empty or contain = or NUL";
    assertEquals(
      problemOf({ cmd: "x", env: { [text]: "" } }),
      `"env.${JSON.stringify(text).slice(1, -1)}" ${name}, got ""`,
    );
  }
  for (const text of ["\udc7f", "\udd00", "\udce9\ud83d"]) {
    const got = `${must}, got ${JSON.stringify(text)}`;
    assertEquals(problemOf({ cmd: text }), `"cmd" ${got}`);
    assertEquals(problemOf({ cmd: ["a", text] }), `"cmd[1]" ${got}`);
    assertEquals(problemOf({ cmd: "x", env: { A: text } }), `"env.A" ${got}`);
    assertEquals(problemOf({ cmd: "x", stdinFile: text }), `"stdinFile" ${got}`);
  }
});

test("commandHash() is the CRC-32 of the bytes of a command", () => {
  // As printed by zlib.crc32 in Python for b"echo caf\xe9", b"echo\0caf\xe9\0" and "echo \u{1f600}é".encode().
  assertEquals(commandHash("echo caf\udce9"), "a4548813");
  assertEquals(commandHash(["echo", "caf\udce9"]), "51b4ffed");
  assertEquals(commandHash("echo 😀é"), "c1c17800");
  const similar = ["\udce9", "\udcea", "\ufffd", "\udce9\udce9"].map((text) => commandHash(text));
  assertEquals(new Set(similar).size, similar.length);
});

test("parseTask() names an unknown field, and the nearest field or all known fields", () => {
  assertEquals(problemOf({ cmdd: "x" }), 'unknown field "cmdd", did you mean "cmd"?');
  assertEquals(problemOf({ cmd: "x", timeout: 5 }), 'unknown field "timeout", did you mean "timeoutMs"?');
  assertEquals(problemOf({ cmd: "x", Env: {} }), 'unknown field "Env", did you mean "env"?');
  assertEquals(problemOf({ command: "x" }), 'unknown field "command", did you mean "cmd"?');
  for (const field of ["constructor", "toString", "cat", "x", ""]) {
    assertEquals(
      problemOf({ cmd: "x", [field]: 1 }),
      `unknown field ${
        JSON.stringify(field)
      }, known fields are cmd, id, cwd, env, stdin, stdinFile, stdinEncoding, timeoutMs, ` +
        "retries, after, runIf, priority, uses, slots, meta",
    );
  }
  assertStringIncludes(
    problemOf(JSON.parse('{"cmd":"x","__proto__":{}}')),
    'unknown field "__proto__", known fields are',
  );
});

test("parseTask() rejects a very long unknown field quickly", { timeout: 30_000 }, () => {
  const field = "c".repeat(50_000_000);
  assertThrows(() => parseTask({ cmd: "x", [field]: 1 }), InvalidTaskError, 'unknown field "cccccc');
});

test("parseTask() accepts an id that is a string or an exact number", () => {
  for (const id of ["", "x", 0, -1.5, 2 ** 53 - 1]) assertEquals(parseTask({ cmd: "x", id }).id, id);
  assertEquals(problemOf({ cmd: "x", id: null }), '"id" must be a string or a number, got null');
  assertEquals(problemOf({ cmd: "x", id: NaN }), '"id" must be a string or a number, got NaN');
  assertEquals(
    problemOf({ cmd: "x", id: 2 ** 53 }),
    '"id" must be a string when the number has more than 53 bits, because digits would be lost, got 9007199254740992',
  );
});

test("parseTask() rejects an env that is not an object of strings, or has invalid names", () => {
  assertEquals(problemOf({ cmd: "x", env: ["A=1"] }), '"env" must be an object of strings, got ["A=1"]');
  assertEquals(problemOf({ cmd: "x", env: null }), '"env" must be an object of strings, got null');
  assertEquals(problemOf({ cmd: "x", env: { A: 1 } }), '"env.A" must be a string, got 1');
  assertEquals(
    problemOf({ cmd: "x", env: { A: "\0" } }),
    '"env.A" must not contain a NUL character or a lone surrogate, got "\\u0000"',
  );
  assertEquals(problemOf(JSON.parse('{"cmd":"x","env":{"__proto__":1}}')), '"env.__proto__" must be a string, got 1');
  assertEquals(problemOf({ cmd: "x", env: { constructor: 1 } }), '"env.constructor" must be a string, got 1');
  for (const name of ["", "A=B", "A\0"]) {
    assert(problemOf({ cmd: "x", env: { [name]: "" } }).includes("is not the name of a variable"));
  }
});

test("parseTask() accepts any text, bytes or a file as stdin", () => {
  const file = new URL("file:///a%20b");
  for (const stdin of ["\0", "\ud800", "", Uint8Array.of(255), new Uint8Array(), { file: "a" }, { file }]) {
    const task = { cmd: "x", stdin };
    assert(parseTask(task) === task);
  }
  const must = '"stdin" must be a string, a Uint8Array or { file: string | URL }, got';
  for (const [stdin, got] of [[1, "1"], [null, "null"], [[], "[]"], [{}, "{}"], [{ file: 1 }, '{"file":1}']]) {
    assertEquals(problemOf({ cmd: "x", stdin }), `${must} ${got}`);
  }
  assertEquals(problemOf({ cmd: "x", stdin: { file: "a", cwd: "b" } }), `${must} {"file":"a","cwd":"b"}`);
  assertEquals(problemOf({ cmd: "x", stdin: new ArrayBuffer(1) }), `${must} {}`);
  assertEquals(problemOf({ cmd: "x", stdin: { file: "" } }), '"stdin.file" must not be empty, got ""');
  const text = "must not contain a NUL character or a lone surrogate";
  assertEquals(problemOf({ cmd: "x", stdin: { file: "\0" } }), `"stdin.file" ${text}, got "\\u0000"`);
  assertEquals(
    problemOf({ cmd: "x", stdin: { file: new URL("file:///a%00") } }),
    `"stdin.file" ${text}, got "file:///a%00"`,
  );
  for (const url of ["https://example.org/", "file://host/a", "file:///a%2Fb"]) {
    assertEquals(
      problemOf({ cmd: "x", stdin: { file: new URL(url) } }),
      `"stdin.file" must be a file: URL of a local file, got ${JSON.stringify(url)}`,
    );
  }
});

test("parseTask() accepts a path as stdinFile, without stdin", () => {
  assertEquals(parseTask({ cmd: "x", stdinFile: "a", stdin: undefined }).stdinFile, "a");
  assertEquals(problemOf({ cmd: "x", stdinFile: 1 }), '"stdinFile" must be a string, got 1');
  assertEquals(problemOf({ cmd: "x", stdinFile: "" }), '"stdinFile" must not be empty, got ""');
  for (const stdin of ["", "a", Uint8Array.of(1), { file: "a" }]) {
    assertEquals(
      problemOf({ cmd: "x", stdin, stdinFile: "a" }),
      '"stdinFile" cannot be combined with "stdin", got "a"',
    );
  }
});

test("parseTask() checks the base64 of a stdin with stdinEncoding", () => {
  for (const stdin of ["", "AA==", "AAA=", "AAAA", "/+8=", "TWFueSBoYW5kcw=="]) {
    assertEquals(parseTask({ cmd: "x", stdin, stdinEncoding: "base64" }).stdin, stdin);
  }
  const not = "must be base64 with padding, got";
  const wrong = ["A", "AA", "AAA", "AAAAA", "AA=A", "A===", "====", "AB==", "AAB=", "A-_=", "AAAA\n", " AA=", "é==="];
  for (const stdin of wrong) {
    assertEquals(problemOf({ cmd: "x", stdin, stdinEncoding: "base64" }), `"stdin" ${not} ${JSON.stringify(stdin)}`);
  }
  for (const encoding of ["utf8", "BASE64", 1, null]) {
    const problem = `"stdinEncoding" must be "base64", got ${JSON.stringify(encoding)}`;
    assertEquals(problemOf({ cmd: "x", stdin: "", stdinEncoding: encoding }), problem);
  }
  const alone = '"stdinEncoding" requires a string as "stdin", got "base64"';
  for (const stdin of [undefined, Uint8Array.of(1), { file: "a" }]) {
    assertEquals(problemOf({ cmd: "x", stdin, stdinEncoding: "base64" }), alone);
  }
  assertEquals(problemOf({ cmd: "x", stdinFile: "a", stdinEncoding: "base64" }), alone);
});

test("parseTask() checks base64 as long as a line in linear time", { timeout: 30_000 }, () => {
  const stdin = "A".repeat(60_000_000);
  assertEquals(parseTask({ cmd: "x", stdin, stdinEncoding: "base64" }).stdin?.constructor, String);
  assertThrows(
    () => parseTask({ cmd: "x", stdin: `${stdin}AA=A`, stdinEncoding: "base64" }),
    InvalidTaskError,
    "must be base64",
  );
});

test("readTasks() accepts a file for stdin as stdinFile only", async () => {
  const lines = jsonLines([
    { cmd: "x", stdin: { file: "a" } },
    { cmd: "x", stdinFile: "a" },
    { cmd: "x", stdin: "AA==", stdinEncoding: "base64" },
    { cmd: "x", stdin: "a", stdinFile: "a" },
  ]);
  const problems: string[] = [];
  const onInvalid = ({ message }: Error) => problems.push(message);
  const tasks = await collect(readTasks(byteStream(lines), { onInvalid }));
  assertEquals(tasks, [
    { cmd: "x", stdinFile: "a", id: "2" },
    { cmd: "x", stdin: "AA==", stdinEncoding: "base64", id: "3" },
  ]);
  assertEquals(problems, [
    'Line 1: Cannot read the task: "stdin" must be a string, got {"file":"a"}',
    'Line 4: Cannot read the task: "stdinFile" cannot be combined with "stdin", got "a"',
  ]);
});

test("lineOfTask() keeps the input of every task", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const forms: [CheckedTask, Partial<Task>][] = [
    [{ cmd: "x" }, {}],
    [{ cmd: "x", stdin: "é" }, { stdin: "é" }],
    [{ cmd: "x", stdin: bytes.subarray(254) }, { stdin: "/v8=", stdinEncoding: "base64" }],
    [{ cmd: "x", stdin: { file: "a" }, cwd: "/" }, { stdinFile: "a", cwd: "/" }],
    [{ cmd: "x", stdin: { file: new URL("file:///a%20b") } }, { stdinFile: "/a b" }],
    [{ cmd: "x", stdin: "AA==", stdinEncoding: "base64" }, { stdin: "AA==", stdinEncoding: "base64" }],
    [{ cmd: "x", stdinFile: "a" }, { stdinFile: "a" }],
  ];
  for (const [task, fields] of forms) {
    const line = lineOfTask(task);
    assertEquals(line, { cmd: "x", ...fields });
    assertEquals(checkTaskLine(JSON.parse(JSON.stringify(line))), line);
    const [one, other] = [inputOf(task), inputOf(line)].map((input) => {
      if (!input || "file" in input) return input;
      return typeof input.data === "string" ? input : { data: new Uint8Array(input.data) };
    });
    assertEquals(one, other);
  }
});

test("parseTask() rejects a timeoutMs that is not greater than 0 or that a timer cannot hold", () => {
  assertEquals(parseTask({ cmd: "x", timeoutMs: 2 ** 31 - 1 }).timeoutMs, 2147483647);
  for (const timeoutMs of [0, -1, "5", null]) {
    assert(
      problemOf({ cmd: "x", timeoutMs }).startsWith('"timeoutMs" must be a number of milliseconds greater than 0'),
    );
  }
  assertEquals(
    problemOf({ cmd: "x", timeoutMs: 2 ** 31 }),
    '"timeoutMs" must be at most 2147483647 milliseconds, 24 days, got 2147483648',
  );
});

test("parseTask() rejects retries that are not an integer of at least 0", () => {
  assertEquals(parseTask({ cmd: "x", retries: 0 }).retries, 0);
  for (const retries of [-1, 1.5, "1", null]) {
    assert(problemOf({ cmd: "x", retries }).startsWith('"retries" must be an integer of at least 0, got '));
  }
});

test("parseTask() accepts the id of a task, or several, as after", () => {
  const ids = ["", "x", "\ud800", 0, -1.5, 2 ** 53 - 1];
  for (const after of [...ids, ids, [], ["x", "x"]]) {
    const task = { id: "a", cmd: "x", after };
    assert(parseTask(task) === task);
    assertEquals(checkTaskLine(task), task);
  }
  assertEquals(parseTask({ cmd: "x", after: undefined, runIf: undefined }).after, undefined);
  const must = '"after" must be the id of a task or an array of ids, got';
  for (const after of [null, true, {}]) {
    assertEquals(problemOf({ id: "a", cmd: "x", after }), `${must} ${JSON.stringify(after)}`);
  }
  for (const after of [2 ** 53, NaN, Infinity]) {
    assertEquals(problemOf({ id: "a", cmd: "x", after }), `${must} ${after}`);
  }
  assertEquals(problemOf({ id: "a", cmd: "x", after: () => {} }).slice(0, must.length), must);
});

test("parseTask() names the first element of after that is not an id", () => {
  const at = (...after: unknown[]) => problemOf({ id: "a", cmd: "x", after });
  assertEquals(at("b", null, 7n), '"after[1]" must be a string or a number, got null');
  assertEquals(at(["b"]), '"after[0]" must be a string or a number, got ["b"]');
  assertEquals(at("b", NaN), '"after[1]" must be a string or a number, got NaN');
  assertEquals(
    at(2 ** 53),
    '"after[0]" must be a string when the number has more than 53 bits, because digits would be lost, got ' +
      "9007199254740992",
  );
  assertEquals(
    problemOf({ id: "a", cmd: "x", after: Array(1e9) }),
    '"after[0]" must be a string or a number, got undefined',
  );
  assertEquals(at(...Array(10_000).fill({})), '"after[0]" must be a string or a number, got {}');
});

test("parseTask() requires an id with after, and after with runIf", () => {
  for (const after of ["b", 7, ["b"], []]) {
    assertEquals(
      problemOf({ cmd: "x", after }),
      `"after" requires an "id" of the task, got ${JSON.stringify(after)}`,
    );
  }
  for (const runIf of ["ok", "failed", "done"]) {
    assertEquals(problemOf({ id: "a", cmd: "x", runIf }), `"runIf" requires "after", got "${runIf}"`);
  }
  for (const runIf of ["ok", "done"]) assertEquals(parseTask({ id: "a", cmd: "x", after: [], runIf }).runIf, runIf);
  assertEquals(
    problemOf({ id: "a", cmd: "x", after: [], runIf: "failed" }),
    '"runIf" requires an id in "after", because no prerequisite can fail, got "failed"',
  );
  assertEquals(parseTask({ id: "a", cmd: "x", after: "", runIf: "failed" }).runIf, "failed");
  for (const runIf of ["", "OK", "always", null, 1, ["ok"]]) {
    assertEquals(
      problemOf({ id: "a", cmd: "x", after: "b", runIf }),
      `"runIf" must be "ok", "failed" or "done", got ${JSON.stringify(runIf)}`,
    );
  }
});

test("parseTask() rejects a priority that is not an integer", () => {
  for (const priority of [0, -0, -1, 2 ** 53 - 1, 1 - 2 ** 53]) {
    assertEquals(parseTask({ cmd: "x", priority }).priority, priority);
  }
  for (const priority of [1.5, NaN, Infinity, 2 ** 53, "1", null, 1n]) {
    assert(problemOf({ cmd: "x", priority }).startsWith('"priority" must be an integer, got '), `${priority}`);
  }
});

test("parseTask() rejects slots that are not an integer of at least 1", () => {
  for (const slots of [1, 2 ** 53 - 1]) assertEquals(parseTask({ cmd: "x", slots }).slots, slots);
  for (const slots of [0, -1, 1.5, NaN, Infinity, 2 ** 53, "1", null]) {
    assert(problemOf({ cmd: "x", slots }).startsWith('"slots" must be an integer of at least 1, got '), `${slots}`);
  }
});

test("parseTask() rejects uses that are not an object of units by the names of resources", () => {
  const units = [{}, { gpu: 0 }, { GPU_0: 2 ** 53 - 1, a: 1 }, Object.create(null), { constructor: 1 }];
  for (const uses of units) assert(parseTask({ cmd: "x", uses }).uses === uses);
  const object = '"uses" must be an object such as {"gpu":1}, got';
  for (const uses of [null, "gpu", 1, [], ["gpu"], [1]]) {
    assertEquals(problemOf({ cmd: "x", uses }), `${object} ${JSON.stringify(uses)}`);
  }
  for (const uses of [new Map([["gpu", 1]]), new Set(["gpu"]), new Date(0), () => {}]) {
    assertEquals(problemOf({ cmd: "x", uses }).slice(0, object.length), object);
  }
  for (const count of [-1, 0.5, NaN, Infinity, 2 ** 53, "1", null, undefined, [1]]) {
    assert(
      problemOf({ cmd: "x", uses: { gpu: count } }).startsWith('"uses.gpu" must be an integer of at least 0, got '),
      `${count}`,
    );
  }
  const name = "is not the name of a resource: it must begin with a letter and have only letters, digits and _, got 1";
  for (const key of ["", "7", "_gpu", "g-u", "g u", "gpu\n", "gpu=0", "gpü", "\ud800", "a\0"]) {
    const shown = JSON.stringify(`uses.${key}`);
    assertEquals(problemOf({ cmd: "x", uses: { [key]: 1 } }), `${shown} ${name}`);
  }
  assertEquals(problemOf(JSON.parse('{"cmd":"x","uses":{"__proto__":1}}')), `"uses.__proto__" ${name}`);
  const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`r${index}`, -1]));
  assertEquals(problemOf({ cmd: "x", uses: many }), '"uses.r0" must be an integer of at least 0, got -1');
});

test("parseTask() checks tasks with only a command and an id as it checks others", () => {
  for (const cmd of ["x", "\udce9", ["x"], ["x", "", "\udce9"]]) {
    for (const id of [undefined, "", "\0", 0, -1.5, 2 ** 53 - 1]) {
      for (const task of [{ cmd, id }, { cmd, id, retries: 0 }]) assertEquals(parseTask(task), task);
    }
  }
  const holes = Array(2);
  holes[0] = "x";
  for (
    const cmd of [undefined, null, "", "\0", "\ud800", [], [""], ["x", "\0"], ["x", 1], holes, { 0: "x" }, new Set("x")]
  ) {
    assertEquals(problemOf({ cmd, id: 1 }), problemOf({ cmd, id: 1, retries: 0 }));
  }
  for (const id of [null, NaN, 2 ** 53, ["x"], {}]) {
    assertEquals(problemOf({ cmd: "x", id }), problemOf({ cmd: "x", id, retries: 0 }));
  }
  const hidden = Object.defineProperty({ cmd: "x" }, "retries", { value: -1 });
  assertEquals(problemOf(hidden), '"retries" must be an integer of at least 0, got -1');
  const inherited = Object.assign(Object.create({ retries: -1 }), { cmd: "x" });
  assertEquals(problemOf(inherited), '"retries" must be an integer of at least 0, got -1');
});

test("parseTask() checks the fields of a workflow in an object with a prototype, as it checks the others", () => {
  class Step {
    cmd = "x";
  }
  Object.defineProperty(Step.prototype, "slots", { value: 0 });
  assertEquals(problemOf(new Step()), '"slots" must be an integer of at least 1, got 0');
  const proxy = new Proxy({ cmd: "x", after: "b" }, {});
  assertEquals(problemOf(proxy), '"after" requires an "id" of the task, got "b"');
  assert(parseTask(new Proxy({ id: 1, cmd: "x", after: new Proxy(["b"], {}) }, {})).id === 1);
});

test("parseTask() names a wrong field before the rules about several fields", () => {
  assertEquals(problemOf({ cmd: "x", after: "b", slots: 0 }), '"slots" must be an integer of at least 1, got 0');
  assertEquals(problemOf({ cmd: "x", afterr: "b" }), 'unknown field "afterr", did you mean "after"?');
  assertEquals(problemOf({ cmd: "x", slots: 1, runif: "ok" }), 'unknown field "runif", did you mean "runIf"?');
});

test("readTasks() rejects a task with after that has no id, although it sets a default id", async () => {
  const problems: string[] = [];
  const lines = jsonLines([{ cmd: "x", after: "1" }, { id: "a", cmd: "x", after: 1, uses: { gpu: 1 } }]);
  const tasks = await collect(readTasks(byteStream(lines), { onInvalid: ({ message }) => problems.push(message) }));
  assertEquals(tasks, [{ id: "a", cmd: "x", after: 1, uses: { gpu: 1 } }]);
  assertEquals(problems, ['Line 1: Cannot read the task: "after" requires an "id" of the task, got "1"']);
});

test("parseTask() rejects a meta that JSON cannot represent", () => {
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  for (const meta of [cycle, 1n, () => {}, Symbol()]) {
    assert(problemOf({ cmd: "x", meta }).startsWith('"meta" must be a value that JSON can represent'));
  }
});

test("parseTask() reports one problem for a million wrong elements", () => {
  const wrong = Array(1_000_000).fill(1);
  assertEquals(problemOf({ cmd: wrong }), '"cmd[0]" must be a string, got 1');
  const env = Object.fromEntries(wrong.map((value, index) => [`V${index}`, value]));
  assertEquals(problemOf({ cmd: "x", env }), '"env.V0" must be a string, got 1');
});

test("parseTask() has a message for a value that cannot be printed", () => {
  const cycle = Object.assign(Object.create(null), {});
  cycle.self = cycle;
  assertEquals(problemOf({ cmd: "x", id: cycle }), '"id" must be a string or a number, got [object Object]');
});

test("InvalidTaskError names the field at fault", () => {
  const cases: [value: unknown, field: string | undefined][] = [
    ["echo hi", undefined],
    [{}, "cmd"],
    [{ cmdd: "x" }, "cmdd"],
    [{ cmd: ["x", 5] }, "cmd[1]"],
    [{ cmd: "x", retries: -1 }, "retries"],
    [{ cmd: "x", env: { "A.B": 1 } }, "env.A.B"],
    [{ cmd: "x", cwd: new URL("http://localhost/tmp") }, "cwd"],
  ];
  for (const [value, field] of cases) {
    const error = assertThrows(() => parseTask(value), InvalidTaskError);
    assertEquals([error.name, error.field, error.number, error.lineNumber], [
      "InvalidTaskError",
      field,
      undefined,
      undefined,
    ]);
  }
});

test("InvalidTaskError has the number of the line when the task comes from readTasks", async () => {
  const lines = '{"cmd":"a"}\n{"cmd":"b","retries":-1}\n{"cmd":"c","id":12345678901234567890}\n{"cmd":\n';
  const errors: InvalidLineError[] = [];
  await collect(readTasks(byteStream(lines), { onInvalid: (error) => errors.push(error) }));
  const causes = errors.map(({ cause }) => cause);
  assert(causes[0] instanceof InvalidTaskError && causes[1] instanceof InvalidTaskError);
  assertEquals([causes[0].lineNumber, causes[0].field], [2, "retries"]);
  assertEquals([causes[1].lineNumber, causes[1].field], [3, "id"]);
  assertEquals([errors[2]!.lineNumber, causes[2] instanceof InvalidTaskError], [4, false]);
});

test("parseTask() converts a cwd that is a file: URL to its path", () => {
  const task = { cmd: "x", cwd: new URL("file:///tmp/a%20b/"), meta: { a: 1 } };
  assertEquals(parseTask(task), { ...task, cwd: "/tmp/a b/" });
  assert(task.cwd instanceof URL);
  assert(parseTask(task).meta === task.meta);
  const must = '"cwd" must be a path or the file: URL of a path on this machine, got ';
  for (const url of ["http://localhost/tmp", "file://elsewhere/tmp", "file:///a%2fb", "data:,x"]) {
    assertEquals(problemOf({ cmd: "x", cwd: new URL(url) }), `${must}${JSON.stringify(url)}`);
  }
  const { cause } = assertThrows(() => parseTask({ cmd: "x", cwd: new URL("data:,x") }), InvalidTaskError);
  assert(cause instanceof TypeError);
  assert(problemOf({ cmd: "x", cwd: new URL("file:///a%00b") }).startsWith('"cwd" must not contain a NUL'));
  assertEquals(problemOf({ cmd: "x", cwd: 5 }), '"cwd" must be a string, got 5');
});

test("parseTask() truncates long values and escapes control characters in messages", () => {
  assertEquals(
    problemOf({ cmd: "x", id: ["y".repeat(100)] }),
    `"id" must be a string or a number, got ["${"y".repeat(58)}…`,
  );
  assertEquals(problemOf({ cmd: "x", retries: "\x1b[2J\u009b\x7f" }).split("got ")[1], '"\\u001b[2J\\u009b\\u007f"');
});

test("readTasks() sets the line number as the default id", async () => {
  const tasks = readTasks(byteStream('{"cmd":"a"}\n\n{"cmd":"b","id":"x"}\n{"cmd":"c"}'));
  assertEquals(await collect(tasks), [{ cmd: "a", id: "1" }, { cmd: "b", id: "x" }, { cmd: "c", id: "4" }]);
});

test("readTasks() ends at an invalid line, or skips it", async () => {
  const lines = jsonLines([{ cmd: "a" }, { cmd: 1 }, { cmd: "c" }]);
  const problems: string[] = [];
  const tasks = await collect(readTasks(byteStream(lines), { onInvalid: (error) => problems.push(error.message) }));
  assertEquals(tasks.map(({ cmd }) => cmd), ["a", "c"]);
  assertEquals(problems, [
    'Line 2: Cannot read the task: "cmd" must be a shell command or an array of a program and its arguments, got 1',
  ]);
  const strict = readTasks(byteStream(lines));
  assertEquals((await strict.next()).value!.cmd, "a");
  let message = "";
  await strict.next().catch((error) => message = error.message);
  assertEquals(message, problems[0]);
});

test("readTasks() cancels its source when the loop ends early", async () => {
  let canceled = false;
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode('{"cmd":"a"}\n')),
    cancel: () => void (canceled = true),
  });
  for await (const _ of readTasks(stream)) break;
  assert(canceled);
});

test("environmentOf() prefers the variables of the task to those of the attempt", () => {
  const task = { cmd: "true", env: { B: "task" } };
  assertEquals(environmentOf({ task, env: { A: "attempt", B: "attempt" } }), { A: "attempt", B: "task" });
  assertEquals(environmentOf({ task, env: undefined }), task.env);
  const unset = { cmd: "true", env: { A: undefined, B: "task" } };
  assertEquals(environmentOf({ task: unset, env: { A: "attempt" } }), { A: "attempt", B: "task" });
  assertEquals(environmentOf({ task: unset, env: undefined }), { B: "task" });
  assertEquals(parseTask(unset), unset);
});

test("parseTask() never lists the bytes of standard input", () => {
  const ownKeys = () => {
    throw new Error("listed");
  };
  const stdin = new Proxy(new Uint8Array(3), { ownKeys });
  assert(parseTask({ cmd: "cat", stdin }).stdin === stdin);
});

test("readUnsharedTasks() reads as readTasks(), and exempts each task from the next check only", async () => {
  const lines = '{"cmd":"true"}\n{"cmd":"false","id":"b"}\n';
  const tasks: Task[] = [];
  for await (const task of readUnsharedTasks(byteStream(lines))) {
    task.cmd = ""; // not a task any more, which the next check does not notice
    assertEquals(checkTask(task), task);
    tasks.push(task);
  }
  assertEquals(tasks.map(({ id }) => id), ["1", "b"]);
  assertThrows(() => checkTask(tasks[0]), InvalidTaskError, '"cmd" must not be empty');
});
