/** What runners of tasks are judged by, from parallel_alternatives(7), as far as no other test has it. */

import { test } from "node:test";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { link, mkdir, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertStringIncludes } from "@std/assert/string-includes";
import type { Task } from "../mod.ts";
import {
  EFFORT,
  jsonLines,
  parseResults,
  shell,
  startTaskrunner,
  taskFile,
  taskrunner,
  TIMEOUT,
  waitFor,
  withTempDirectory,
  writeProgram,
} from "./helpers.ts";
import { CAN_MOUNT, RunPlace } from "./run_place.ts";

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

/** Each character of one byte but NUL, which no argument can have, and some of two, three and four. */
const EVERY_CHARACTER = numbers(127).map((code) => String.fromCharCode(code)).join("") + "\x80é\u2028日\ufeff😀";

/** Texts that are not the same after a shell, a pattern or a reader of lines has had them. */
const SPECIAL = [
  `My brother's 12" *** record  (costs $$$).jpg`,
  "a  b ",
  "-n",
  "--",
  "*",
  "?[a-z]",
  "~",
  "{a,b}",
  "$HOME",
  "`id`",
  "$(id)",
  "a;b&c|d",
  "\\n\\",
  "line\nline\n",
  "\t",
  "#",
  "!x",
  "日本語 é 😀 e\u0301",
  EVERY_CHARACTER,
];

test("outputs of tasks that run at once do not mix, on either stream", TIMEOUT, async () => {
  const print = (letter: string) => `head -c 70000 /dev/zero | tr '\\0' ${letter}`;
  const cmd = `${print("a")}; ${print("b")} >&2; ${print("c")}; ${print("d")} >&2; echo; echo >&2`;
  const { status, results } = await taskrunner(["-j6"], { stdin: jsonLines(Array(12 * EFFORT).fill({ cmd })) });
  assertEquals([status, results.length], [0, 12 * EFFORT]);
  const [stdout, stderr] = ["ac", "bd"].map((letters) => [...letters].map((letter) => letter.repeat(70_000)).join(""));
  assert(results.every((result) => result.stdout === `${stdout}\n` && result.stderr === `${stderr}\n`));
});

for (const executor of ["shell", "process"]) {
  test(`special characters arrive as they are with the ${executor} executor, wherever they stand`, TIMEOUT, async () => {
    const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
    const tasks = SPECIAL.flatMap((text, index): Task[] => [
      { id: text, cmd: ["printf", "%s|", text], meta: text },
      { id: `command ${index}`, cmd: `printf '%s|' ${quoted(text)}` },
      { id: `env ${index}`, cmd: `printf '%s|' "$A"`, env: { A: text } },
      { id: `stdin ${index}`, cmd: "cat; printf '|'", stdin: text },
    ]);
    const { status, results, stderr } = await taskrunner(["-k", "--executor", executor], { stdin: jsonLines(tasks) });
    assertEquals([status, stderr, results.length], [0, "", tasks.length]);
    for (const [index, { id, stdout, stderr, meta }] of results.entries()) {
      const task = tasks[index]!;
      assertEquals([id, stdout, stderr, meta], [task.id, `${SPECIAL[Math.floor(index / 4)]}|`, "", task.meta]);
    }
  });

  test(`paths with special characters work with the ${executor} executor`, TIMEOUT, async () => {
    await withTempDirectory(async (directory) => {
      const names = SPECIAL.map((name) => name.replaceAll("/", ""));
      await writeProgram(join(directory, "program"), "#!/bin/sh\ncat\n");
      for (const name of names) {
        await mkdir(join(directory, name));
        await writeFile(join(directory, name, name), name);
        await link(join(directory, "program"), join(directory, `run ${name}`));
      }
      const tasks = names.flatMap((name): Task[] => [
        { cmd: ["cat", "--", name], cwd: join(directory, name) },
        { cmd: [`./run ${name}`], cwd: directory, stdin: name },
      ]);
      const { results } = await taskrunner(["-k", "--executor", executor], { stdin: jsonLines(tasks) });
      assertEquals(results.map(({ stdout, error }) => error ?? stdout), names.flatMap((name) => [name, name]));
    });
  });
}

test("files of tasks, of results and of large output may have any name", TIMEOUT, async () => {
  await withTempDirectory(async (directory) => {
    for (const name of [EVERY_CHARACTER.replaceAll("/", ""), "-n", "*"]) {
      await taskFile(directory, [{ id: name, cmd: "printf 123456" }], name);
      const args = ["--max-inline", "1", `--output=${name}.out`, "--", name];
      const { status, stderr } = await taskrunner(args, { cwd: directory });
      assertEquals([status, stderr], [0, ""]);
      const [result] = parseResults(readFileSync(join(directory, `${name}.out`), "utf8"));
      assertEquals(result!.id, name);
      assertEquals(result!.stdoutFile, join(directory, `${name}.out.output`, "1.stdout"));
      assertEquals(readFileSync(result!.stdoutFile!, "utf8"), "123456");
    }
  });
});

test("a file whose name is not UTF-8 is reached by a pattern, and said in base64", TIMEOUT, async () => {
  await withTempDirectory(async (directory) => {
    const cmd = "name=$(printf 'x\\377\\303'); echo content > \"$name\" && cat x* && printf %s x* >&2";
    const { results: [result] } = await taskrunner([], { stdin: jsonLines([{ cmd, cwd: directory }]) });
    assertEquals([result!.status, result!.stdout, result!.stderrEncoding], [0, "content\n", "base64"]);
    assertEquals(result!.stderr, "eP/D");
  });
});

if (CAN_MOUNT) {
  const small = (place: RunPlace, bytes: string) =>
    `mount -t tmpfs -o size=${bytes} tmpfs ${place.env["TMPDIR"]} && mount --bind ${place.env["TMPDIR"]} /dev/shm`;

  const FULL_DISKS: [executor: string, maxInline: string, spillDir: "full" | "another"][] = [
    ["process", "1k", "full"],
    ["shell", "1k", "full"],
    ["shell", "1k", "another"],
    ["shell", "1M", "another"], // what got a place is small enough for the result
  ];
  for (const [executor, maxInline, spillDir] of FULL_DISKS) {
    const how = `with the ${executor} executor, ${maxInline} in the result and more on ${spillDir} disk`;
    test(`output that a full disk takes away is missed ${how}`, TIMEOUT, async () => {
      await RunPlace.with(async (place) => {
        const tasks = [{ id: "much", cmd: "head -c 5000000 /dev/zero; true" }, { id: "little", cmd: "echo hi" }];
        const spill = spillDir === "full" ? place.env["TMPDIR"]! : join(place.directory, "spill");
        const args = ["-j1", "--executor", executor, "--max-inline", maxInline, "--spill-dir", spill];
        const { status } = await (await place.run(tasks, args, {}, small(place, "1M"))).ended;
        const [much, little] = place.results();
        assertEquals([status, much!.outcome, much!.stdoutFile, little!.outcome], [1, "failed", undefined, "ok"]);
        assertStringIncludes(much!.error!, "Cannot keep all of the output: no space left on the device");
      });
    });
  }

  test("output is also missed when the disk has room again before the task ends", TIMEOUT, async () => {
    await RunPlace.with(async (place) => {
      const go = join(place.directory, "go");
      const cmd = `cat /dev/zero > $TMPDIR/fill; echo lost; touch ${go}.full; ` +
        `until [ -e ${go} ]; do sleep 0.01; done; rm $TMPDIR/fill; echo end`;
      const run = await place.run([{ cmd }], ["-j1"], {}, small(place, "1M"));
      await waitFor("the disk to be full", () => existsSync(`${go}.full`));
      await new Promise((resolve) => setTimeout(resolve, 1_000)); // GNU parallel promises to see it within two seconds
      writeFileSync(go, "");
      const { status } = await run.ended;
      const [result] = place.results();
      assertEquals([status, result!.outcome, result!.stdout], [1, "failed", "end\n"]);
      assertStringIncludes(result!.error!, "Cannot keep all of the output: no space left on the device");
    });
  });
}
