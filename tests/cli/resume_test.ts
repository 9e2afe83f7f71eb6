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

test("--resume goes on where a run has stopped, and can be given from the beginning", async () => {
  await withTempDirectory(async (directory) => {
    const output = join(directory, "results.jsonl");
    const say = (id: string) => ({ id, cmd: `echo ${id} >> ${directory}/ran; [ ${id} != b ] || exit 3` });
    const args = [await taskFile(directory, ["a", "b", "c"].map(say)), "-j1", "-o", output];
    assertEquals((await taskrunner([...args, "--resume"])).status, 1);
    await taskFile(directory, ["d", "c", "b", "a"].map(say));
    const { status, stderr } = await startTaskrunner([...args, "--resume"], { stdin: "" }).ended;
    assertEquals(status, 0);
    assertMatch(stderr, /^taskrunner: 1 task in .*: 1 ok; 3 had a result\n$/);
    const failed = await taskrunner([...args, "--resume-failed"]);
    assertEquals(failed.status, 1);
    assertEquals((await readFile(join(directory, "ran"), "utf8")).split("\n"), ["a", "b", "c", "d", "b", ""]);
    assertEquals(idsOf(parseResults(await readFile(output, "utf8"))), ["a", "b", "c", "d", "b"]);
  });
});

test("what is torn at the end of the results is cut off and said, and that task runs again", async () => {
  await withTempDirectory(async (directory) => {
    const output = join(directory, "results.jsonl");
    const tasks = await taskFile(directory, ["a", "b", "c"].map((id) => task(id, `echo ${id}`)));
    const args = [tasks, "-j1", "-o", output, "--resume"];
    await taskrunner(args);
    const whole = await readFile(output, "utf8");
    const lastLine = whole.trimEnd().split("\n").at(-1)!.length + 1;
    const { size } = await stat(output);
    // In the last line, but for its first byte; and in the one before.
    for (const cut of [2, lastLine - 1, lastLine + 1]) {
      await writeFile(output, whole);
      await truncate(output, size - cut);
      const { status, stderr } = await taskrunner(args);
      assertEquals(status, 0);
      if (cut !== lastLine + 1) assertMatch(stderr, /\d+ bytes of an unfinished line at the end have been cut off/);
      const text = await readFile(output, "utf8");
      assertEquals(text.trimEnd().split("\n").map((line) => parseResult(JSON.parse(line)).id), ["a", "b", "c"]);
    }
    // A result without its newline is whole, and zeros are what a power cut can leave.
    await writeFile(output, whole.trimEnd());
    const again = await startTaskrunner(args, { stdin: "" }).ended;
    assertMatch(again.stderr, /^taskrunner: 0 tasks in .*; 3 had a result\n$/);
    assertEquals(await readFile(output, "utf8"), whole);
    await appendFile(output, new Uint8Array(100_000));
    assertMatch((await taskrunner(args)).stderr, /100000 bytes of an unfinished line/);
    assertEquals(await readFile(output, "utf8"), whole);
  });
});

test("a line that is no result is an error that names it, and nothing is run or changed", async () => {
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
    assertStringIncludes(withoutFile.stderr, "To resume, name the file of results: -o FILE");
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
    assertMatch(stderr, /6 bytes of an unfinished line at the end have been cut off.*\n.*tasks\.jsonl:2: /);
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

test("a task whose command has changed is named, and not run again", async () => {
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
        'what has a result of another command is not run again: "b" (line 2), "c" (line 3), "d" (line 4) and 1 more\n',
      );
    }
    assertEquals(parseResults(await readFile(output, "utf8")).length, 5);
  });
});

test("--dry-run says what --resume would pass over, and changes nothing", async () => {
  await withTempDirectory(async (directory) => {
    const output = join(directory, "results.jsonl");
    const text = `${JSON.stringify(resultWith({ id: "a" }))}\n{"id":`;
    await writeFile(output, text);
    const tasks = await taskFile(directory, [task("a"), task("b")]);
    const { status, stderr } = await taskrunner([tasks, "-o", output, "--resume", "--dry-run"]);
    assertEquals([status, stderr], [
      0,
      "taskrunner: 2 tasks are valid, 1 of them have a result, 0 lines are not; nothing was run\n",
    ]);
    assertEquals(await readFile(output, "utf8"), text);
  });
});

test("a run that is killed at any instant can be resumed until it is done", async () => {
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
      // Killed when some results more are there, or at its own end.
      const target = done + 1 + kills * 7 % 11;
      const settled = ended.then(() => true);
      while (parseResults(await written()).length < target && !await Promise.race([settled, pause()]));
      child.kill("SIGKILL");
      const { status } = await ended;
      const after = await written();
      assert(after.startsWith(before), "a result that was written has changed");
      before = after;
      if (status === 0) break;
      kills++;
    }
    const ids = idsOf(parseResults(before));
    assertEquals([...new Set(ids)].length, count);
    assertEquals(ids.length, count, "a task has two results");
    assert(kills >= 3, `it was killed ${kills} times`);
    for (const line of before.trimEnd().split("\n")) parseResult(JSON.parse(line));
    // What ran at that instant may run twice, and nothing else.
    const ran = (await readFile(join(directory, "ran"), "utf8")).trimEnd().split("\n");
    assert(ran.length <= count + 3 * kills, `${ran.length} runs with ${kills} kills`);
  });
});

const pause = () => new Promise<false>((resolve) => setTimeout(resolve, 1, false));

test(
  "two runs do not write to one file at the same time, and a killed one keeps no other from it",
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
    ? `with only ${locker} to lock a file, it is locked`
    : "without a program that locks files, that is said";
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
      const problem = "the file is not locked, as none of flock, perl, python3 is installed";
      const risk = "a second run that writes to it would not be noticed";
      assertEquals([status, stderr], [0, isLocked ? "" : `taskrunner: ${results}: ${problem}: ${risk}\n`]);
    });
  });
}
