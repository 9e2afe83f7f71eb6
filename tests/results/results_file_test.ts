import { appendFile, mkdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import {
  InvalidTaskError,
  type Outcome,
  parseResult,
  ResultsFile,
  ResultsFileError,
  type ResultsFileErrorKind,
  type ResultsFileOptions,
  run,
  type Task,
  type TaskResult,
} from "../../mod.ts";
import { commandHash } from "../../records/command_hash.ts";
import { OUTCOMES } from "../../records/result.ts";
import { readRecordedResults } from "../../results/recorded_results.ts";
import { appendOwnResult, indexOfResultsFile } from "../../results/results_file.ts";
import { instantExecutor } from "../support/fake_executor.ts";
import {
  collect,
  jsonLines,
  lacks,
  parseResults,
  resultWith,
  shell,
  start,
  withTempDirectory,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

const result = (id: string, outcome: Outcome = "ok", cmd?: Task["cmd"]): TaskResult =>
  resultWith({
    id,
    status: outcome === "ok" ? 0 : 1,
    outcome,
    ...(outcome === "skipped" && { attempts: 0, slot: 0 }),
    stdout: "",
    ...(cmd !== undefined && { cmdHash: commandHash(cmd) }),
  });

const task = (id: string, cmd: Task["cmd"] = "x"): Task => ({ id, cmd });

/** Calls a function with a results file that has the given content. */
function withResults(
  content: readonly TaskResult[] | string,
  options: ResultsFileOptions,
  use: (file: ResultsFile, path: string) => Promise<void>,
): Promise<void> {
  return withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    await writeFile(path, typeof content === "string" ? content : jsonLines(content));
    const file = await ResultsFile.open(path, options);
    try {
      await use(file, path);
    } finally {
      await file.close();
    }
  });
}

const withResumed = (
  content: readonly TaskResult[],
  use: (file: ResultsFile, path: string) => Promise<void>,
) => withResults(content, { resume: true }, use);

const RETRY_FAILED = { resume: true, retryFailed: true };

async function remainingIds(file: ResultsFile, tasks: Task[]): Promise<unknown[]> {
  return (await collect(file.remaining(tasks))).map(({ id }) => id);
}

async function assertFails(work: () => Promise<unknown>, kind: ResultsFileErrorKind, message: RegExp): Promise<Error> {
  const error = await assertRejects(work, ResultsFileError);
  assertEquals(error.kind, kind);
  assertMatch(error.message, message);
  return error;
}

test("appendOwnResult() writes the lines of a turn together, in their order", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    const file = await ResultsFile.open(path);
    const ids = ["a", "b", "c"];
    for (const id of ids) await appendOwnResult(file, resultWith({ id }));
    await file.flush();
    assertEquals(parseResults(await readFile(path, "utf8")).map(({ id }) => id), ids);
    await appendOwnResult(file, resultWith({ id: "d" }));
    await file.append(resultWith({ id: "e" }));
    assertEquals(parseResults(await readFile(path, "utf8")).map(({ id }) => id), [...ids, "d", "e"]);
    await file.close();
  });
});

test("appendOwnResult() reports an error of the file to the next call, or to the one that waits", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    const file = await ResultsFile.open(path);
    await appendOwnResult(file, resultWith({ id: "a" }));
    await file.flush();
    await writeFile(path, "changed");
    const large = resultWith({ id: "b", stdout: "x".repeat(1024 * 1024) });
    await assertRejects(async () => await appendOwnResult(file, large), ResultsFileError, "changed by another program");
    const error = assertThrows(() => appendOwnResult(file, resultWith({ id: "c" })), ResultsFileError);
    assertEquals(error.kind, "modified");
    await file.close();
  });
});

test("remaining() skips tasks with a result, except canceled tasks and, with retryFailed, failed tasks", async () => {
  const outcomes: readonly Outcome[] = OUTCOMES;
  const results = outcomes.map((outcome) => result(outcome, outcome));
  const tasks = [...outcomes, "new"].map((id) => task(id));
  await withResumed(results, async (file) => {
    assertEquals(await remainingIds(file, tasks), ["canceled", "new"]);
    assertEquals(file.size, outcomes.length);
  });
  await withResults(results, RETRY_FAILED, async (file) => {
    assertEquals(await remainingIds(file, tasks), [...outcomes.slice(1), "new"]);
  });
});

test("outcomeOf() returns the latest outcome of a task, except canceled", async () => {
  const results = OUTCOMES.map((outcome) => result(outcome, outcome));
  const lookUp = (file: ResultsFile) => [...OUTCOMES, "new"].map((id) => file.outcomeOf(id));
  await withResumed(results, async (file) => {
    const finished = OUTCOMES.map((outcome) => outcome === "canceled" ? undefined : outcome);
    assertEquals(lookUp(file), [...finished, undefined]);
    await file.append(result("new", "timeout"));
    await file.append(result("ok", "skipped"));
    assertEquals([file.outcomeOf("new"), file.outcomeOf("ok")], ["timeout", "skipped"]);
    await file.append(result("ok", "canceled"));
    assertEquals(file.outcomeOf("ok"), undefined);
    assertEquals(
      [file.outcomeOf("7"), file.outcomeOf("\ud800"), file.outcomeOf("__proto__")],
      Array(3).fill(undefined),
    );
    assertEquals(file.changed.size, 0);
  });
  await withResults(results, RETRY_FAILED, async (file) => {
    assertEquals([file.outcomeOf("failed"), file.outcomeOf("canceled")], ["failed", undefined]);
    assertEquals(file.stateOf(task("skipped")), "remaining");
    await file.append(result("skipped", "ok"));
    await file.append(result("ok", "failed"));
    assertEquals([file.outcomeOf("skipped"), file.outcomeOf("ok")], ["ok", "failed"]);
  });
  await withResults([], {}, (file) => {
    assertThrows(() => file.outcomeOf("a"), TypeError, "opened without resume: true");
    return Promise.resolve();
  });
});

test("outcomeOf() lets a run keep the results of skipped tasks unless a prerequisite runs again", async () => {
  const tasks: Task[] = [
    { id: "a", cmd: "true" },
    { id: "b", cmd: "true", after: "a" },
    { id: "c", cmd: "true", after: "gone" },
    { id: "d", cmd: "true", after: "c" },
    { id: "e", cmd: "true", after: "b" },
    { id: "f", cmd: "true", after: "elsewhere", runIf: "failed" },
    { id: "g", cmd: "true", after: "elsewhere" },
  ];
  const results = [
    result("gone", "skipped"),
    result("elsewhere", "failed"), // not one of the tasks
    result("a", "failed"),
    ...["b", "c", "d", "e", "g"].map((id) => result(id, "skipped")),
  ];
  for (const retryFailed of [false, true]) {
    await withResults(results, { resume: true, retryFailed }, async (file) => {
      const ran: string[] = [];
      for await (const { id, outcome } of run(file.remaining(tasks), { concurrency: 1, recorded: file })) {
        assertEquals([id, outcome], [id, "ok"]);
        ran.push(id);
      }
      assertEquals(ran, retryFailed ? ["a", "b", "e", "f"] : ["f"]);
    });
  }
});

test("remaining() uses the latest result of a task, in any order of the tasks", async () => {
  const results = [
    result("a", "failed"),
    result("b", "ok"),
    result("a", "ok"),
    result("b", "failed"),
    result("gone", "ok"),
  ];
  await withResults(results, RETRY_FAILED, async (file) => {
    assertEquals(await remainingIds(file, [task("b"), task("c"), task("a")]), ["b", "c"]);
  });
});

test("remaining() can be called repeatedly, even concurrently, and takes appended results into account", async () => {
  const tasks = ["a", "b", "c"].map((id) => task(id));
  await withResults([result("a")], RETRY_FAILED, async (file) => {
    const first = file.remaining(tasks);
    assertEquals((await first.next()).value, task("b"));
    assertEquals(await remainingIds(file, tasks), ["b", "c"]);
    assertEquals(await collect(first), [task("c")]);
    await file.append(result("b"));
    await file.append(result("c", "failed"));
    assertEquals([await remainingIds(file, tasks), file.size], [["c"], 3]);
    await file.append(result("c"));
    assertEquals([await remainingIds(file, tasks), file.size], [[], 3]);
  });
});

test("changed contains the skipped tasks whose command differs from the command of their result", async () => {
  const results = [
    result("same", "ok", "echo 1"),
    result("other", "ok", "echo 1"),
    result("array", "failed", ["echo", "1"]),
    result("unknown", "ok"),
    result("canceled", "canceled", "echo 1"),
  ];
  const tasks = results.map(({ id }) => task(id, id === "same" ? "echo 1" : "echo 2"));
  await withResumed(results, async (file) => {
    for (let round = 0; round < 2; round++) {
      assertEquals(await remainingIds(file, tasks), ["canceled"]);
      assertEquals([...file.changed], ["other", "array"]);
    }
    await file.append(result("other", "ok", "echo 2"));
    assertEquals([...file.changed], ["array"]);
    assertEquals(await remainingIds(file, tasks), ["canceled"]);
    assertEquals([...file.changed], ["array"]);
  });
});

test("changed ignores results whose hash is not a CRC-32", async () => {
  const hashes = ["-5", "-ffffffff", "", "no hash", "f".repeat(400)];
  await withResumed(hashes.map((cmdHash) => ({ ...result(cmdHash), cmdHash })), async (file) => {
    assertEquals(await remainingIds(file, hashes.map((id) => task(id))), []);
    assertEquals(file.changed.size, 0);
  });
});

test("stateOf() returns the state of a task and changes nothing", async () => {
  const results = [result("a", "ok", "echo 1"), result("b", "canceled"), result("7"), result("\ud800")];
  await withResumed(results, async (file) => {
    const expected: [task: Task, state: string][] = [
      [task("a", "echo 1"), "done"],
      [task("a", "echo 2"), "changed"],
      [task("b"), "remaining"],
      [task("new"), "remaining"],
      [{ id: 7, cmd: "x" }, "done"],
      [task("\ud800"), "done"],
    ];
    const { heldBytes, idCount } = indexOfResultsFile(file)!;
    for (let round = 0; round < 200; round++) {
      for (const [task, state] of expected) assertEquals(file.stateOf(task), state);
      assertEquals(file.stateOf(task(`new ${round}`)), "remaining");
    }
    assertEquals([file.size, file.changed.size], [results.length, 0]);
    assertEquals(indexOfResultsFile(file)!.heldBytes, heldBytes);
    assertEquals(indexOfResultsFile(file)!.idCount, idCount);
    assertThrows(() => file.stateOf({ cmd: "x" }), RangeError, 'Cannot look up the task: "id" is missing');
    await file.append(result("new"));
    assertEquals(file.stateOf(task("new")), "done");
  });
});

test("remaining() requires a unique id for each task", async () => {
  await withResumed([result("a")], async (file) => {
    await assertRejects(() => remainingIds(file, [{ cmd: "x" }]), RangeError, '"id" is missing');
    await assertRejects(
      () => remainingIds(file, [task("b"), task("a"), task("a")]),
      RangeError,
      'the id "a" is also the id of task 2; resuming needs unique ids',
    );
    await assertRejects(
      () => remainingIds(file, [task("1"), { id: 1, cmd: "x" }]),
      RangeError,
      'the id "1" is also the id of task 1',
    );
    await assertRejects(() => remainingIds(file, [{ cmd: 7 } as never]), InvalidTaskError, "Cannot read task 1");
    assertEquals(await remainingIds(file, [task("b"), task("a")]), ["b"]);
  });
});

test("remaining() feeds a run, and cancels its source when the run is left", async () => {
  let returned = false;
  function* tasks() {
    try {
      for (let number = 1;; number++) yield task(`${number}`);
    } finally {
      returned = true;
    }
  }
  await withResumed([result("2"), result("3")], async (file) => {
    const ids: string[] = [];
    for await (const { id } of run(file.remaining(tasks()), { executor: instantExecutor(), concurrency: 1 })) {
      if (ids.push(id) === 3) break;
    }
    assertEquals([ids, returned], [["1", "4", "5"], true]);
  });
});

test("append() writes a line that is in the file when it settles", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    const file = await ResultsFile.open(pathToFileURL(path));
    assertEquals([file.path, file.spillDir, file.lockProblem, file.repairedBytes], [
      path,
      `${path}.output`,
      undefined,
      0,
    ]);
    const results = ["a", "b", "a"].map((id) => result(id));
    for (const [index, result] of results.entries()) {
      await file.append(result);
      assertEquals(await readFile(path, "utf8"), jsonLines(results.slice(0, index + 1)));
    }
    await Promise.all(results.map((result) => file.append(result)));
    await file.flush();
    assertEquals(await readFile(path, "utf8"), jsonLines([...results, ...results]));
    await file[Symbol.asyncDispose]();
    await file.close();
    await assertRejects(() => file.append(results[0]!), Error, "the file is closed");
  });
});

test("append() rejects a value that is not a result, and writes nothing", async () => {
  await withResumed([], async (file, path) => {
    await assertRejects(() => file.append({ ...result("a"), slot: 0 }), RangeError, '"slot" must be at least 1');
    await assertRejects(() => file.append({ ...result("a"), other: 1 } as TaskResult), TypeError, "unknown field");
    await assertRejects(() => file.append({ ...result("a"), meta: 1n }), TypeError);
    assertEquals([await readFile(path, "utf8"), file.size], ["", 0]);
    await file.append(result("a"));
    assertEquals(await readFile(path, "utf8"), jsonLines([result("a")]));
  });
});

test("a file opened without resume is append-only", async () => {
  await withResults("", {}, async (file) => {
    const message = "the file was opened without resume: true";
    assertThrows(() => file.remaining([]), TypeError, message);
    assertThrows(() => file.stateOf(task("a")), TypeError, message);
    assertThrows(() => file.size, TypeError, message);
    await file.append(result("a"));
    assertEquals([file.changed.size, indexOfResultsFile(file)], [0, undefined]);
  });
});

test("open() names unknown options and retryFailed without resume", async () => {
  const open = (options: unknown) => ResultsFile.open("/nowhere/results.jsonl", options as ResultsFileOptions);
  const cases: [options: unknown, message: string][] = [
    [{ resumee: true }, 'unknown option "resumee", did you mean "resume"?'],
    [{ resumeFailed: true }, 'unknown option "resumeFailed", use "retryFailed"'],
    [{ retryFailed: true }, '"retryFailed" needs "resume"'],
    [null, "options must be an object such as { resume: … }, got null"],
  ];
  for (const [options, message] of cases) {
    await assertRejects(() => open(options), TypeError, `Cannot open the results file: ${message}`);
  }
});

test("open() reports a path that cannot be written", async () => {
  await withTempDirectory(async (directory) => {
    const missing = join(directory, "missing", "results.jsonl");
    const error = await assertFails(() => ResultsFile.open(missing), "system", /: no such file or directory$/);
    assertEquals(error.message, `Cannot write results to ${JSON.stringify(missing)}: no such file or directory`);
    assertEquals((error.cause as { code?: string }).code, "ENOENT");
    await assertFails(() => ResultsFile.open(directory), "system", /: it is a directory$/);
    await assertFails(() => ResultsFile.open(directory, { resume: true }), "invalid", /: it is not a regular file$/);
    const inFile = join(directory, "file");
    await writeFile(inFile, "");
    await assertFails(
      () => ResultsFile.open(join(inFile, "results.jsonl"), { resume: true }),
      "system",
      /a part of the path is not a directory$/,
    );
  });
});

test("open() without resume rejects a file that is not empty, and does not change the file", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    await writeFile(path, "precious");
    await assertFails(() => ResultsFile.open(path), "not-empty", /: it is not empty; resume it, remove it, or/);
    assertEquals(await readFile(path, "utf8"), "precious");
  });
});

test("open() refuses to resume a file with a line that is not a result, and does not change the file", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    const text = `${jsonLines([result("b")])}{"id":"c"}\n{"id":`;
    await writeFile(path, text);
    for (let round = 0; round < 2; round++) {
      await assertFails(
        () => ResultsFile.open(path, { resume: true }),
        "invalid",
        /^Cannot resume from ".*": .*results\.jsonl:2: Cannot read the result: the field "status" is missing$/,
      );
    }
    assertEquals(await readFile(path, "utf8"), text);
  });
});

test("open() removes an incomplete last line, and completes a result that lacks its newline", async () => {
  const [a, b] = [result("a"), result("b")];
  const whole = jsonLines([a, b]);
  const line = jsonLines([b]).length;
  const cases: [content: string, repairedBytes: number, rest: TaskResult[]][] = [
    [whole, 0, [a, b]],
    [whole.slice(0, -1), 0, [a, b]],
    [whole.slice(0, -2), line - 2, [a]],
    [whole.slice(0, -line + 1), 1, [a]],
    [whole.slice(0, -line), 0, [a]],
    [`${whole}\n`, 0, [a, b]],
    [whole + "\0".repeat(300_000), 300_000, [a, b]],
    ["", 0, []],
    ["x", 1, []],
  ];
  for (const [content, repairedBytes, rest] of cases) {
    await withResults(content, { resume: true }, async (file, path) => {
      assertEquals([file.repairedBytes, file.size], [repairedBytes, rest.length]);
      await file.append(result("c"));
      assertEquals(parseResults(await readFile(path, "utf8")), JSON.parse(JSON.stringify([...rest, result("c")])));
      assert((await readFile(path, "utf8")).endsWith("}\n"));
    });
  }
});

test("open() with resume creates a missing file", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    const file = await ResultsFile.open(path, { resume: true });
    assertEquals([file.size, await remainingIds(file, [task("a")])], [0, ["a"]]);
    await file.close();
    assertEquals(await readFile(path, "utf8"), "");
  });
});

test("readRecordedResults() reads results without a lock, and does not change the file", async () => {
  const { signal } = new AbortController();
  const read = (path: string) => readRecordedResults(path, { retryFailed: false, signal });
  await withResumed([result("a")], async (_file, path) => {
    await appendFile(path, "{");
    const { index, end } = await read(path);
    assertEquals([index.size, index.stateOf(task("a")), end.tornBytes], [1, "done", 1]);
    assertEquals(await readFile(path, "utf8"), `${jsonLines([result("a")])}{`);
    await truncate(path, jsonLines([result("a")]).length);
    const missing = await read(`${path}.missing`);
    assertEquals([missing.index.size, missing.end.tornBytes], [0, 0]);
    await assertFails(() => read(dirname(path)), "system", /^Cannot resume from ".*": it is not a regular file$/);
  });
});

test("open() locks the file until close(), and releases the lock when opening fails", async () => {
  await withResumed([result("a")], async (file, path) => {
    for (const options of [{}, { resume: true }]) {
      await assertFails(() => ResultsFile.open(path, options), "locked", /: another run is writing to it$/);
    }
    await file.close();
    await assertFails(() => ResultsFile.open(path), "not-empty", /not empty/);
    const again = await ResultsFile.open(path, { resume: true });
    assertEquals(again.size, 1);
    await again.close();
  });
});

test("open() rejects with the reason of its signal", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    await writeFile(path, jsonLines(Array.from({ length: 10_000 }, (_, index) => result(String(index)))));
    const [reason, controller] = [new Error("enough"), new AbortController()];
    const options = { resume: true, signal: controller.signal };
    const opening = ResultsFile.open(path, options);
    controller.abort(reason);
    assert(await assertRejects(() => opening, Error) === reason);
    assert(await assertRejects(() => ResultsFile.open(path, options), Error) === reason);
    const file = await ResultsFile.open(path, { resume: true });
    assertEquals(file.size, 10_000);
    await file.close();
  });
});

const CHANGES: [name: string, change: (path: string) => Promise<void>, message: RegExp][] = [
  ["removed", (path) => rm(path), /the file was removed or replaced while the run wrote to it$/],
  ["replaced", async (path) => {
    await writeFile(`${path}.new`, "other\n");
    await rename(`${path}.new`, path);
  }, /was removed or replaced/],
  ["replaced by a directory", (path) => rm(path).then(() => mkdir(path)), /was removed or replaced/],
  ["emptied", (path) => truncate(path, 0), /the file was changed by another program while the run wrote to it$/],
  ["written to", (path) => appendFile(path, "{}\n"), /was changed by another program/],
];

test("append() and close() report a file that another program removed, replaced or changed", async () => {
  for (const [, change, message] of CHANGES) {
    await withTempDirectory(async (directory) => {
      const path = join(directory, "results.jsonl");
      const file = await ResultsFile.open(path);
      await file.append(result("a"));
      await change(path);
      const error = await assertFails(() => file.append(result("b")), "modified", message);
      assert(await assertRejects(() => file.append(result("c")), Error) === error);
      assert(await assertRejects(() => file.flush(), Error) === error);
      await file.close();
    });
    await withTempDirectory(async (directory) => {
      const path = join(directory, "results.jsonl");
      const file = await ResultsFile.open(path);
      await file.append(result("a"));
      await change(path);
      await assertFails(() => file.close(), "modified", message);
      await file.close();
    });
  }
});

test("close() writes results whose append() is pending, and further calls wait for the first", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    const file = await ResultsFile.open(path);
    const settled: string[] = [];
    const calls = {
      append: file.append(result("a")),
      first: file.close(),
      second: file.close(),
      disposal: file[Symbol.asyncDispose](),
      flush: file.flush(),
    };
    await Promise.all(Object.entries(calls).map(([name, call]) => call.then(() => settled.push(name))));
    assertEquals([settled.slice(0, 2), settled.length], [["append", "first"], 5]);
    assertEquals(await readFile(path, "utf8"), jsonLines([result("a")]));
  });
});

test("after close(), append() fails, writes nothing, and lookups still work", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    const file = await ResultsFile.open(path, { resume: true });
    await file.append(result("a"));
    const closing = file.close();
    const message = `Cannot write results to ${JSON.stringify(path)}: the file is closed`;
    for (let call = 0; call < 2; call++) {
      assertEquals((await assertRejects(() => file.append(result("b")), Error)).message, message);
      await closing;
    }
    await file.flush();
    assertEquals([file.size, file.stateOf(task("a")), file.stateOf(task("b"))], [1, "done", "remaining"]);
    assertEquals((await collect(file.remaining([task("a"), task("b")]))).map(({ id }) => id), ["b"]);
    assertEquals(await readFile(path, "utf8"), jsonLines([result("a")]));
  });
});

test("close() throws an error once", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "results.jsonl");
    const file = await ResultsFile.open(path);
    await file.append(result("a"));
    await truncate(path, 0);
    const settled = await Promise.allSettled([file.close(), file.close(), file.flush()]);
    assertEquals(settled.map(({ status }) => status), ["rejected", "fulfilled", "fulfilled"]);
    await file.close();
    await (await ResultsFile.open(path)).close();
  });
});

test("append() follows a file that was renamed", async () => {
  await withResumed([], async (file, path) => {
    await file.append(result("a"));
    await rename(path, `${path}.old`);
    await file.append(result("b"));
    assertEquals(await readFile(`${path}.old`, "utf8"), jsonLines([result("a"), result("b")]));
  });
});

for (
  const { lines, limitBytes, outputLength, together, minBytes } of [
    { lines: "lines", limitBytes: 10_000, outputLength: 0, together: 1, minBytes: 5_000 },
    // The last one that fits is whole, and the file has a part of the next.
    { lines: "long lines", limitBytes: 1_100_000, outputLength: 400_000, together: 1, minBytes: 800_000 },
    { lines: "lines of one write", limitBytes: 10_000, outputLength: 0, together: 1_000, minBytes: 9_000 },
  ]
) {
  test(`append() leaves only complete ${lines} when a write fails`, async () => {
    if (lacks("prlimit")) return;
    await withTempDirectory(async (directory) => {
      const path = join(directory, "results.jsonl");
      // Runtimes other than Deno ignore SIGXFSZ themselves.
      const { status, stdout, stderr } = await shell(
        `trap '' XFSZ; exec $RUNTIME tests/fixtures/append_until_full.ts ${path} ${limitBytes} ${outputLength} ${together}`,
      );
      assertEquals([status, stdout], [0, "no-space true\n"], stderr);
      const text = await readFile(path, "utf8");
      assert(text.endsWith("}\n") && text.length > minBytes && text.length <= limitBytes, `${text.length}`);
      for (const line of text.trimEnd().split("\n")) parseResult(JSON.parse(line));
    });
  });
}

test("flush() and close() report a device without space", async () => {
  const full = () => ResultsFile.open("/dev/full");
  const file = await full();
  assertEquals(file.spillDir, undefined);
  await file.append(result("a"));
  await assertFails(
    () => file.flush(),
    "no-space",
    /^Cannot write results to "\/dev\/full": no space left on the device$/,
  );
  await file.close();
  const other = await full();
  await other.append(result("a"));
  await assertFails(() => other.close(), "no-space", /no space left/);
});

test("a FIFO takes results, and flush() reports that its reader is gone", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "fifo");
    assertEquals((await shell(`mkfifo ${path}`)).status, 0);
    const line = jsonLines([result("a")]);
    const reader = start("head", ["-c", String(line.length), path], { stdin: "" });
    const file = await ResultsFile.open(path);
    await file.append(result("a"));
    await file.flush();
    assertEquals((await reader.ended).stdout, line);
    await file.append(result("b"));
    await assertFails(() => file.flush(), "closed", /^Cannot write results to /);
    await file.close();
    await assertFails(() => ResultsFile.open(path, { resume: true }), "invalid", /it is not a regular file/);
  });
});
