/** Tests that each way to name a file works for a name that is not UTF-8, from the command line to the file. */

import { join } from "node:path";
import { assertEquals } from "@std/assert/equals";
import { TaskRunner } from "../../mod.ts";
import { EXECUTORS } from "../../executors/mod.ts";
import { parseResults, PROJECT, RUNTIME, shell, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Runs a script in a directory with the file `caf\xe9`, where `taskrunner` is a function and `$name` the name. */
async function inDirectory(script: string, directory: string) {
  const setup = `cd "$DIR" && name=$(printf 'caf\\351') && printf data > "$name" || exit
taskrunner() { $RUNTIME "$PROJECT/cli.ts" "$@"; }
`;
  const { stdout, stderr, status } = await shell(setup + script, { env: { DIR: directory, PROJECT } });
  const outcomes = parseResults(stdout).map(({ outcome }) => outcome);
  return { outcomes, stderr, status };
}

/** Asserts that the directory has a file `caf\xe9.gz` with the data, and no other file but those named. */
async function assertCompressed(directory: string, others = ""): Promise<void> {
  const check = `cd "$DIR"; gzip -dc "$(printf 'caf\\351').gz"; ls | LC_ALL=C grep -v '^tasks\\|^results' | od -An -c`;
  const { stdout } = await shell(check, { env: { DIR: directory } });
  assertEquals(stdout.replace(/\s+/g, " "), `data c a f 351 . g z \\n${others} `);
}

const JSON_NAME = String.raw`caf\udce9`;

const SCRIPTS: Record<string, string> = {
  "a value after :::": `taskrunner each -q --format json 'gzip {}' ::: "$name"`,
  "a value after ::: with the process executor":
    `taskrunner each -q --format json --executor process 'gzip {}' ::: "$name"`,
  "a value that ends with a NUL": `find . -name 'caf*' -print0 | taskrunner each -q --format json -0 'gzip {}'`,
  "a value on a line, with the process executor": `ls | taskrunner each -q --format json --executor process 'gzip {}'`,
  "a value of a command that a fresh shell runs": `ls | taskrunner each -q --format json 'f() { gzip {}; }; f'`,
  "a task with a shell command": `echo '{"cmd":"gzip ${JSON_NAME}"}' | taskrunner -q`,
  "a task with an array": `echo '{"cmd":["gzip","${JSON_NAME}"]}' | taskrunner -q`,
  "a task with an array and the process executor":
    `echo '{"cmd":["gzip","${JSON_NAME}"]}' > tasks; taskrunner tasks -q --executor process`,
  "a task with an input file":
    `echo '{"cmd":["sh","-c","gzip > $0.gz; rm $0","${JSON_NAME}"],"stdinFile":"${JSON_NAME}"}' | taskrunner -q`,
};

for (const [way, script] of Object.entries(SCRIPTS)) {
  // Deno refuses such arguments before the program starts.
  if (RUNTIME === "deno" && script.includes(":::")) continue;
  test(`a file whose name is not UTF-8 is compressed by ${way}`, async () => {
    await withTempDirectory(async (directory) => {
      assertEquals(await inDirectory(script, directory), { outcomes: ["ok"], stderr: "", status: 0 });
      await assertCompressed(directory);
    });
  });
}

test("a TaskRunner runs tasks with bytes that are not UTF-8", async () => {
  for (const executor of EXECUTORS) {
    await withTempDirectory(async (directory) => {
      await inDirectory("", directory);
      const runner = new TaskRunner({ executor });
      runner.add({ cmd: ["gzip", "caf\udce9"], cwd: directory });
      for await (const { outcome, stderr } of runner.results()) assertEquals([outcome, stderr], ["ok", ""]);
      await assertCompressed(directory);
    });
  }
});

test("--resume finds tasks with bytes by the hash of their commands", async () => {
  await withTempDirectory(async (directory) => {
    const task = (name: string) => `{"id":"a","cmd":"echo ${name}"}\n{"id":"b","cmd":["echo","${name}"]}`;
    const run = (name: string) => `echo '${task(name)}' > tasks; taskrunner tasks -q -k -o results --resume`;
    await inDirectory(run(JSON_NAME), directory);
    const same = await inDirectory(run(JSON_NAME), directory);
    assertEquals([same.status, same.stderr], [0, ""]);
    const other = await inDirectory(run(String.raw`caf\udcea`), directory);
    assertEquals(other.stderr.includes("2 tasks already have a result"), true, other.stderr);
    const { stdout } = await shell(`cat ${join(directory, "results")}`);
    // The values of zlib.crc32(b"echo caf\xe9") and zlib.crc32(b"echo\0caf\xe9\0") in Python.
    assertEquals(parseResults(stdout).map(({ id, cmdHash }) => [id, cmdHash]), [["a", "a4548813"], ["b", "51b4ffed"]]);
  });
});
