import { existsSync } from "node:fs";
import { appendFile, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertStringIncludes } from "@std/assert/string-includes";
import { parseResult, ResultsFile, type Task, type TaskResult } from "../../mod.ts";
import {
  parseResults,
  resultWith,
  RUNTIME,
  shell,
  skipTest,
  startTaskrunner,
  taskFile,
  taskrunner,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

const task = (id: string, cmd: Task["cmd"] = "x"): Task => ({ id, cmd });

const idsOf = (results: TaskResult[]) => results.map(({ id }) => id);

test("--resume continues a stopped run, and also starts a new one", async () => {
  await withTempDirectory(async (directory) => {
    const output = join(directory, "results.jsonl");
    const taskOf = (id: string) => ({ id, cmd: `echo ${id} >> ${directory}/ran; [ ${id} != b ] || exit 3` });
    const args = [await taskFile(directory, ["a", "b", "c"].map(taskOf)), "-j1", "-o", output];
    assertEquals((await taskrunner([...args, "--resume"])).status, 1);
    await taskFile(directory, ["d", "c", "b", "a"].map(taskOf));
    const { status, stderr } = await startTaskrunner([...args, "--resume"], { stdin: "" }).ended;
    assertEquals(status, 0);
    assertMatch(stderr, /^taskrunner: 1 task in .*: 1 ok; 3 had a result\n$/);
    const failed = await taskrunner([...args, "--resume-failed"]);
    assertEquals(failed.status, 1);
    assertEquals((await readFile(join(directory, "ran"), "utf8")).split("\n"), ["a", "b", "c", "d", "b", ""]);
    assertEquals(idsOf(parseResults(await readFile(output, "utf8"))), ["a", "b", "c", "d", "b"]);
  });
});

test("--resume removes an incomplete last line with a message, and its task runs again", async () => {
  await withTempDirectory(async (directory) => {
    const output = join(directory, "results.jsonl");
    const tasks = await taskFile(directory, ["a", "b", "c"].map((id) => task(id, `echo ${id}`)));
    const args = [tasks, "-j1", "-o", output, "--resume"];
    await taskrunner(args);
    const whole = await readFile(output, "utf8");
    const lastLine = whole.trimEnd().split("\n").at(-1)!.length + 1;
    const { size } = await stat(output);
    // Cuts the last line at its end and after its first byte, and the line before it.
    for (const cut of [2, lastLine - 1, lastLine + 1]) {
      await writeFile(output, whole);
      await truncate(output, size - cut);
      const { status, stderr } = await taskrunner(args);
      assertEquals(status, 0);
      if (cut !== lastLine + 1) {
        assertMatch(stderr, /removed an incomplete last line of \d+ bytes?; its task runs again/);
      }
      const text = await readFile(output, "utf8");
      assertEquals(text.trimEnd().split("\n").map((line) => parseResult(JSON.parse(line)).id), ["a", "b", "c"]);
    }
    // A result without its newline is complete. A power cut can leave zeros.
    await writeFile(output, whole.trimEnd());
    const again = await startTaskrunner(args, { stdin: "" }).ended;
    assertMatch(again.stderr, /^taskrunner: 0 tasks in .*; 3 had a result\n$/);
    assertEquals(await readFile(output, "utf8"), whole);
    await appendFile(output, new Uint8Array(100_000));
    assertMatch((await taskrunner(args)).stderr, /incomplete last line of 100,000 bytes/);
    assertEquals(await readFile(output, "utf8"), whole);
  });
});

test("--resume rejects a line that is not a result, and changes nothing", async () => {
  await withTempDirectory(async (directory) => {
    const output = join(directory, "results.jsonl");
    const tasks = await taskFile(directory, [task("a", `touch ${directory}/ran`)]);
    const text = `${JSON.stringify(resultWith({ id: "b" }))}\n{"id":"c"}\n`;
    await writeFile(output, text);
    const { status, stderr } = await taskrunner([tasks, "-o", output, "--resume"]);
    assertEquals(status, 255);
    assertStringIncludes(stderr, `results.jsonl:2: Cannot read the result: the field "status" is missing`);
    assertEquals(await readFile(output, "utf8"), text);
    const toDirectory = await taskrunner([tasks, "-o", directory, "--resume"]);
    assertEquals(toDirectory.status, 255);
    assertMatch(toDirectory.stderr, /Cannot resume from .*: it is/);
    const withoutFile = await taskrunner([tasks, "--resume"]);
    assertEquals(withoutFile.status, 255);
    assertStringIncludes(withoutFile.stderr, "Missing -o FILE: the results file to resume");
  });
});

test("--resume locks and repairs the results before it checks the tasks", async () => {
  await withTempDirectory(async (directory) => {
    const output = join(directory, "results.jsonl");
    const tasks = await taskFile(directory, [task("a", `touch ${directory}/ran`), { id: "b" }]);
    const args = [tasks, "-o", output, "--resume"];
    const line = `${JSON.stringify(resultWith({ id: "c" }))}\n`;
    await writeFile(output, `${line}{"id":`);
    const other = await ResultsFile.open(output, { resume: true });
    const locked = await taskrunner(args);
    assertEquals(locked.status, 255);
    assertMatch(locked.stderr, /: another run is writing to it\n$/);
    await other.close();
    await writeFile(output, `${line}{"id":`);
    const { status, stderr } = await taskrunner(args);
    assertEquals(status, 255);
    assertMatch(stderr, /removed an incomplete last line of 6 bytes.*\n.*tasks\.jsonl:2: /);
    assertEquals([await readFile(output, "utf8"), existsSync(join(directory, "ran"))], [line, false]);
  });
});

test("--resume names the two lines that have the same id, and the line without one", async () => {
  await withTempDirectory(async (directory) => {
    const output = join(directory, "results.jsonl");
    const same = join(directory, "same.jsonl");
    await writeFile(
      same,
      `${JSON.stringify(task("a"))}\n\n${JSON.stringify(task("b"))}\n${JSON.stringify(task("a"))}\n`,
    );
    const { status, stderr } = await taskrunner([same, "-o", output, "--resume"]);
    assertEquals(status, 255);
    assertStringIncludes(stderr, `same.jsonl:4: the id "a" is also the id of line 1; resuming needs unique ids`);
    const without = await taskrunner(["-o", output, "--resume"], { stdin: '{"cmd":"true"}\n' });
    assertEquals(without.status, 255);
    assertStringIncludes(without.stderr, 'standard input:1: "id" is missing');
  });
});

test("--resume skips a task whose command has changed, and names it", async () => {
  await withTempDirectory(async (directory) => {
    const output = join(directory, "results.jsonl");
    const tasks = await taskFile(directory, ["a", "b", "c", "d", "e"].map((id) => task(id, `echo ${id}`)));
    await taskrunner([tasks, "-o", output]);
    await taskFile(directory, ["a", "b", "c", "d", "e"].map((id) => task(id, id === "a" ? "echo a" : "echo new")));
    for (const flags of [["--resume"], ["--resume", "--dry-run"]]) {
      const { status, stderr } = await taskrunner([tasks, "-o", output, ...flags]);
      assertEquals(status, 0);
      assertStringIncludes(
        stderr,
        '4 tasks already have a result from a different command and were skipped: "b" (line 2), "c" (line 3), "d" (line 4) and 1 more\n',
      );
    }
    assertEquals(parseResults(await readFile(output, "utf8")).length, 5);
  });
});

test("--dry-run counts the tasks that --resume would skip, and changes nothing", async () => {
  await withTempDirectory(async (directory) => {
    const output = join(directory, "results.jsonl");
    const text = `${JSON.stringify(resultWith({ id: "a" }))}\n{"id":`;
    await writeFile(output, text);
    const tasks = await taskFile(directory, [task("a"), task("b")]);
    const { status, stderr } = await taskrunner([tasks, "-o", output, "--resume", "--dry-run"]);
    assertEquals([status, stderr], [
      0,
      "taskrunner: 2 valid tasks (1 with a result), 0 invalid lines; nothing was run\n",
    ]);
    assertEquals(await readFile(output, "utf8"), text);
  });
});

test("a run that is killed at any time can be resumed until it is complete", async () => {
  await withTempDirectory(async (directory) => {
    const [output, count] = [join(directory, "results.jsonl"), 40];
    const tasks = Array.from({ length: count }, (_, index) => ({
      id: `task ${index}`,
      cmd: `echo ${index} >> ${directory}/ran; head -c 2000 /dev/zero | tr '\\0' x`,
    }));
    const args = [await taskFile(directory, tasks), "-j3", "-o", output, "--resume"];
    const written = async () => {
      const text = await readFile(output, "utf8").catch(() => "");
      return text.slice(0, text.lastIndexOf("\n") + 1);
    };
    let [kills, before] = [0, ""];
    for (;;) {
      const done = parseResults(before).length;
      const { child, ended } = startTaskrunner(args, { stdin: "" });
      // Kills the run after some more results, unless it ends before.
      const target = done + 1 + kills * 7 % 11;
      const settled = ended.then(() => true);
      while (parseResults(await written()).length < target && !await Promise.race([settled, pause()]));
      child.kill("SIGKILL");
      const { status } = await ended;
      const after = await written();
      assert(after.startsWith(before), "a written result has changed");
      before = after;
      if (status === 0) break;
      kills++;
    }
    const ids = idsOf(parseResults(before));
    assertEquals([...new Set(ids)].length, count);
    assertEquals(ids.length, count, "a task has two results");
    assert(kills >= 3, `it was killed ${kills} times`);
    for (const line of before.trimEnd().split("\n")) parseResult(JSON.parse(line));
    // In each slot, a task that was running at a kill may run twice, and so may one whose result was not written yet.
    const ran = (await readFile(join(directory, "ran"), "utf8")).trimEnd().split("\n");
    assert(ran.length <= count + 2 * 3 * kills, `${ran.length} runs with ${kills} kills`);
  });
});

const pause = () => new Promise<false>((resolve) => setTimeout(resolve, 1, false));

test(
  "only one run at a time writes to a results file, and a killed run releases it",
  async () => {
    await withTempDirectory(async (directory) => {
      const path = (name: string) => join(directory, name);
      const cmd = `echo >> ${path("begun")}; until [ -e ${path("go")} ]; do sleep 0.01; done`;
      const args = [
        await taskFile(directory, [{ id: "a", cmd: "true" }, { id: "b", cmd }]),
        "-j1",
        "-o",
        path("results"),
      ];
      const first = startTaskrunner(args);
      await waitFor("its second task", () => existsSync(path("begun")));
      for (const more of [[], ["--resume"], ["--resume-failed"]]) {
        const { status, stderr } = await taskrunner([...args, ...more]);
        assertEquals(status, 255);
        assertStringIncludes(
          stderr,
          `Cannot write results to ${JSON.stringify(path("results"))}: another run is writing to it`,
        );
      }
      process.kill(first.child.pid!, "SIGKILL");
      await first.ended;
      await writeFile(path("go"), "");
      assertEquals((await taskrunner([...args, "--resume"])).status, 0);
      assertEquals(parseResults(await readFile(path("results"), "utf8")).map(({ id }) => id), ["a", "b"]);
    });
  },
);

const LOCKERS = {
  flock: "command -v flock",
  perl: "command -v perl",
  python3: "python3 -c 'import sys; print(sys.executable)'",
};

for (const locker of [...Object.keys(LOCKERS), undefined] as (keyof typeof LOCKERS | undefined)[]) {
  const title = locker
    ? `a results file is locked with only ${locker} installed`
    : "a run warns when no program can lock files";
  test(`${title}, on Node and Bun`, async () => {
    await withTempDirectory(async (directory) => {
      const bin = join(directory, "bin");
      const links = ["sh", "sleep"].map((name) => `ln -s "$(command -v ${name})" ${bin}/${name}`);
      const found = locker && (await shell(LOCKERS[locker])).stdout.trim();
      if (found === "") return skipTest(`there is no ${locker}`);
      if (found) links.push(`ln -s "${found}" ${bin}/${locker}`);
      assertEquals((await shell(`mkdir ${bin} && ${links.join(" && ")}`)).status, 0);
      const env = { PATH: bin };
      const [begun, go, results] = ["begun", "go", "results"].map((name) => join(directory, name));
      const cmd = `: > ${begun}; until [ -e ${go} ]; do sleep 0.01; done`;
      const args = [await taskFile(directory, [{ id: "a", cmd }]), "-q", "-o", results!];
      const first = startTaskrunner(args, { stdin: "", env });
      await waitFor("the task", () => existsSync(begun!));
      const isLocked = locker !== undefined || RUNTIME === "deno";
      if (isLocked) {
        const { status, stderr } = await taskrunner(args, { env });
        assertEquals(status, 255);
        assertStringIncludes(stderr, "another run is writing to it");
      }
      await writeFile(go!, "");
      const { status, stderr } = await first.ended;
      const problem = "the file is not locked, because none of flock, perl, python3 is installed";
      const risk = "a second run could write to it at the same time";
      assertEquals([status, stderr], [0, isLocked ? "" : `taskrunner: ${results}: ${problem}; ${risk}\n`]);
    });
  });
}
