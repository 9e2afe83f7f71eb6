/** Criteria for task runners from parallel_alternatives(7) that no other test covers. */

import { readFileSync } from "node:fs";
import { appendFile, link, mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertStringIncludes } from "@std/assert/string-includes";
import type { Task } from "../../mod.ts";
import {
  EFFORT,
  jsonLines,
  parseResults,
  shell,
  taskFile,
  taskrunner,
  TIMEOUT,
  withTempDirectory,
  writeProgram,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

const LONG = { timeout: TIMEOUT.timeout * EFFORT };

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

/** All characters of one byte, except NUL, which no argument can contain, and some of two, three and four bytes. */
const EVERY_CHARACTER = numbers(127).map((code) => String.fromCharCode(code)).join("") + "\x80é\u2028日\ufeff😀";

/** Texts that shells, patterns or line readers would change. */
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

test("outputs of concurrent tasks do not mix, on either stream", LONG, async () => {
  const print = (letter: string) => `head -c 70000 /dev/zero | tr '\\0' ${letter}`;
  const cmd = `${print("a")}; ${print("b")} >&2; ${print("c")}; ${print("d")} >&2; echo; echo >&2`;
  const { status, results } = await taskrunner(["-j6"], { stdin: jsonLines(Array(12 * EFFORT).fill({ cmd })) });
  assertEquals([status, results.length], [0, 12 * EFFORT]);
  const [stdout, stderr] = ["ac", "bd"].map((letters) => [...letters].map((letter) => letter.repeat(70_000)).join(""));
  assert(results.every((result) => result.stdout === `${stdout}\n` && result.stderr === `${stderr}\n`));
});

for (const executor of ["shell", "process"]) {
  test(
    `special characters in every field arrive unchanged with the ${executor} executor`,
    async () => {
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
    },
  );

  test(`paths with special characters work with the ${executor} executor`, async () => {
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

test("task files, results files and large output can have any file name", async () => {
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

test("a pattern matches a file name that is not UTF-8, and the result has the name as base64", async () => {
  await withTempDirectory(async (directory) => {
    const cmd = "name=$(printf 'x\\377\\303'); echo content > \"$name\" && cat x* && printf %s x* >&2";
    const { results: [result] } = await taskrunner([], { stdin: jsonLines([{ cmd, cwd: directory }]) });
    assertEquals([result!.status, result!.stdout, result!.stderrEncoding], [0, "content\n", "base64"]);
    assertEquals(result!.stderr, "eP/D");
  });
});

test("a line that is larger than memory is an error and is not buffered, and other tasks run", LONG, async () => {
  await withTempDirectory(async (directory) => {
    const bytes = EFFORT > 1 ? 4_300_000_000 : 80_000_000;
    const memory = "grep VmHWM /proc/$(cut -d ' ' -f 4 /proc/$PPID/stat)/status"; // of the parent of the worker
    const path = join(directory, "tasks");
    await writeFile(path, jsonLines([{ cmd: "echo first" }]));
    await truncate(path, bytes); // a sparse file, which takes no space
    await appendFile(path, "\n" + jsonLines([{ cmd: memory }]));
    const { status, stdout, stderr } = await shell(`$RUNTIME cli.ts -qk --on-invalid skip < ${path}`);
    assertEquals(status, 255);
    assertStringIncludes(
      stderr,
      "standard input:2: Cannot read the line: it is longer than the limit of 67108864 bytes",
    );
    assertEquals(stderr.split("\n").length, 2, stderr);
    const [one, three] = parseResults(stdout);
    assertEquals([one!.stdout, three!.id], ["first\n", "3"]);
    const kibibytes = Number(/\d+/.exec(three!.stdout)![0]);
    assert(kibibytes < 500_000, `peak memory: ${kibibytes} KiB`);
  });
});

test("commands and output lines can have thousands of words", async () => {
  const words = numbers(1_000).map(String);
  const line = words.join(" ");
  const stdin = jsonLines([
    { cmd: ["printf", "%s,", ...words] },
    { cmd: `printf '%s,' ${line}` },
    { cmd: "cat; cat >&2", stdin: `${line}\n`.repeat(1_000) },
  ]);
  const { status, results } = await taskrunner(["-k", "--max-inline", "8M"], { stdin });
  assertEquals([status, results.length], [0, 3]);
  const expected = words.map((word) => `${word},`).join("");
  assertEquals(results.map(({ stdout }) => stdout), [expected, expected, `${line}\n`.repeat(1_000)]);
});

test("each accepts values with special characters, long values and values of many words", async () => {
  const values = [...SPECIAL, "", numbers(1_000).join(" "), "x".repeat(131_000), "é".repeat(500_000)];
  const { status, results } = await taskrunner(["each", "--format", "json", "-0k", "printf '%s|' {}"], {
    stdin: values.join("\0") + "\0",
  });
  assertEquals([status, results.length], [0, values.length]);
  for (const [index, { id, stdout }] of results.entries()) {
    assert(id === values[index] && stdout === `${values[index]}|`, JSON.stringify(values[index]!.slice(0, 100)));
  }
});
