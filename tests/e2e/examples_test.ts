import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertStringIncludes } from "@std/assert/string-includes";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import {
  lacks,
  parseResults,
  PROJECT,
  shell,
  type StartOptions,
  withTempDirectory,
  writeProgram,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** A directory of real files: the licenses of Debian, or on other systems a folder of this project. */
const LICENSES = "/usr/share/common-licenses";
const CORPUS = existsSync(LICENSES) ? LICENSES : join(PROJECT, "cli");
const FILE = CORPUS === LICENSES ? "GPL-3" : "main.ts";

const NAMES = [
  "-n",
  "--help",
  " a b  c ",
  `it's "quoted"`,
  "line\nbreak",
  "line break at the end\n",
  "tab\tand\\backslash",
  "$(touch executed) `touch executed` $HOME; touch executed",
  "a=b",
  "*",
  "ÄÖÜ ß 日本語 😀",
];

const CHECKSUMS = "examples/checksums/checksums.sh";
const COMPRESS = "examples/compress/compress.sh";
const WORD_COUNT = "examples/word_count/word_count.ts";

/** Runs a shell script in the root directory of the project, with a directory as `$directory`. */
function inProject(script: string, directory: string, { env, mayCrash }: StartOptions = {}) {
  const setup = 'export TASKRUNNER="$RUNTIME cli.ts --quiet"';
  return shell(`${setup}; ${script}`, { cwd: PROJECT, env: { directory, ...env }, mayCrash });
}

/** Calls a function with a directory that has special characters in its name and contains a file for each name. */
function withFiles(names: readonly string[], use: (directory: string) => Promise<void>): Promise<void> {
  return withTempDirectory(async (temporary) => {
    const directory = join(temporary, `it's a "new\ndirectory"`);
    await mkdir(directory);
    for (const [index, name] of names.entries()) {
      await writeFile(join(directory, name), `Words of\nfile ${index}: the file's Ärger, no line break at the end`);
    }
    await use(directory);
  });
}

async function assertChecksumsMatch(directory: string): Promise<void> {
  const { status, stdout, stderr } = await inProject(`sh ${CHECKSUMS} "$directory" --jobs 8`, directory);
  assertEquals([status, stderr], [0, ""]);
  const one = await inProject(`find "$directory" -type f -exec sha256sum -- {} +`, directory);
  assertEquals(parseResults(stdout).map(({ stdout }) => stdout).join(""), one.stdout);
  assert(one.stdout !== "");
}

test("checksums prints the same sums as sha256sum, in the same order", async () => {
  if (lacks("jq")) return;
  await assertChecksumsMatch(CORPUS);
});

test("checksums prints sums of files with any name, even more than a pipe can hold", async () => {
  if (lacks("jq")) return;
  const longNames = Array.from({ length: 120 }, (_, number) => `${"long ".repeat(40)}${number}`);
  const slowToSum = ["large", "larger"];
  await withFiles([...NAMES, ...slowToSum, ...longNames], async (directory) => {
    for (const name of slowToSum) await truncate(join(directory, name), 40 * 1024 * 1024);
    await mkdir(join(directory, "-below"));
    await writeFile(join(directory, "-below", "-file"), "");
    await assertChecksumsMatch(directory);
  });
});

/** Prints the expected counts, in the format of the example. */
const COUNT_WITH_GREP = `
  export LC_ALL=C
  find "$directory" -type f -exec grep -ahoE '[A-Za-z]+' {} + |
    tr A-Z a-z | sort | uniq -c | sort -k1,1nr -k2 | sed 's/^ *//'
`;

async function assertCountsMatch(directory: string, files: number, env: Record<string, string> = {}): Promise<void> {
  const { status, stdout, stderr } = await inProject(`$RUNTIME ${WORD_COUNT} "$directory" 1000000`, directory, { env });
  const expected = (await inProject(COUNT_WITH_GREP, directory)).stdout.split("\n");
  const different = stdout.split("\n").filter((row, index) => row.trim() !== expected[index]);
  assertEquals(different.slice(0, 3), []);
  const words = expected.length - 1;
  assertEquals([status, stderr], [0, `${words} different words in ${files} files\n`]);
  assert(words > 0);
}

test("word_count prints the same counts as grep", async () => {
  const entries = await readdir(CORPUS, { withFileTypes: true });
  await assertCountsMatch(CORPUS, entries.filter((entry) => entry.isFile()).length);
});

test("word_count prints the requested number of words, 10 by default", async () => {
  const all = (await inProject(COUNT_WITH_GREP, CORPUS)).stdout.replaceAll(/^\d+ /gm, "").split("\n");
  for (const [rows, expected] of [["", 10], ["3", 3]] as const) {
    const { stdout } = await inProject(`$RUNTIME ${WORD_COUNT} "$directory" ${rows}`, CORPUS);
    assertEquals(stdout.trimEnd().split("\n").map((row) => row.trim().split(" ")[1]), all.slice(0, expected));
  }
});

test("word_count counts words in files with any name, even more than fit in a result by default", async () => {
  await withFiles(NAMES, async (directory) => {
    const letters = (number: number) => number.toString().replaceAll(/\d/g, (digit) => "abcdefghij"[Number(digit)]!);
    const words = Array.from({ length: 100_000 }, (_, number) => letters(number));
    await writeFile(join(directory, "many words"), words.join("\xa0"), "latin1");
    await mkdir(join(directory, "-below"));
    await writeFile(join(directory, "-below", "-file"), "below");
    const temporary = `${directory}.temporary`;
    await mkdir(temporary);
    await assertCountsMatch(directory, NAMES.length + 2, { TMPDIR: temporary });
    const left = await readdir(temporary, { recursive: true, withFileTypes: true });
    assertEquals(left.filter((entry) => entry.isFile()), []);
  });
});

test("compress keeps each file and creates a compressed copy with the same content", async () => {
  if (lacks("jq")) return;
  await withFiles(NAMES, async (directory) => {
    const copied = await inProject(`cp "${CORPUS}"/* "$directory"`, directory);
    assertEquals([copied.status, copied.stderr], [0, ""]);
    const files = await readdir(directory);
    const { status, stdout, stderr } = await inProject(`sh ${COMPRESS} "$directory" --jobs 8`, directory);
    assertEquals([status, stderr], [0, ""]);
    assertEquals(parseResults(stdout).length, files.length);
    assertEquals((await readdir(directory)).sort(), files.flatMap((file) => [file, `${file}.gz`]).sort());
    const compared = await inProject(
      `set -e; for file in "$directory"/*.gz; do gzip -dc "$file" | cmp - "\${file%.gz}"; done`,
      directory,
    );
    assertEquals([compared.status, compared.stdout, compared.stderr], [0, "", ""]);
  });
});

test("compress skips compressed files, links and directories, and reports failures", async () => {
  if (lacks("jq")) return;
  await withFiles(["good", "bad", "bad.gz"], async (directory) => {
    await symlink("good", join(directory, "link"));
    await mkdir(join(directory, "subdirectory"));
    const before = await readFile(join(directory, "bad.gz"), "utf8");
    const results = `${directory}.jsonl`;
    const { status, stdout, stderr } = await inProject(`sh ${COMPRESS} "$directory" -o "$results"`, directory, {
      env: { results },
    });
    assertEquals([status, stdout, stderr], [1, "", ""]);
    const found = parseResults(await readFile(results, "utf8"));
    assertEquals(found.map(({ id, outcome }) => [id, outcome]).sort(), [
      [join(directory, "bad"), "failed"],
      [join(directory, "good"), "ok"],
    ]);
    assertStringIncludes(found.map(({ stderr }) => stderr).join(""), "already exists");
    assertEquals(await readFile(join(directory, "bad.gz"), "utf8"), before);
    assertEquals((await readdir(directory)).sort(), ["bad", "bad.gz", "good", "good.gz", "link", "subdirectory"]);
  });
});

test("the examples do nothing for an empty directory", async () => {
  if (lacks("jq")) return;
  await withFiles([], async (directory) => {
    for (const command of [`sh ${CHECKSUMS}`, `sh ${COMPRESS}`, `$RUNTIME ${WORD_COUNT}`]) {
      const { status, stdout } = await inProject(`${command} "$directory"`, directory);
      assertEquals([command, status, stdout], [command, 0, ""]);
    }
  });
});

test("the examples fail for a missing directory, and name it", async () => {
  if (lacks("jq")) return;
  await withTempDirectory(async (temporary) => {
    for (const command of [`sh ${CHECKSUMS}`, `sh ${COMPRESS}`, `$RUNTIME ${WORD_COUNT}`]) {
      const { status, stdout, stderr } = await inProject(`${command} "$directory"`, join(temporary, "missing"), {
        mayCrash: command.includes(WORD_COUNT),
      });
      assert(status !== 0, `${command} must fail`);
      assertEquals(stdout, "");
      assertMatch(stderr, /\/missing/);
    }
  });
});

test("the scripts pass their flags to taskrunner", async () => {
  if (lacks("jq")) return;
  for (const script of [CHECKSUMS, COMPRESS]) {
    const { status, stdout } = await inProject(`sh ${script} "$directory" --version`, CORPUS);
    assertEquals(status, 0);
    assertMatch(stdout, /^taskrunner \S+\n$/);
  }
});

test("the scripts run no task when jq fails", async () => {
  if (lacks("jq")) return;
  await withFiles(["one", "two"], async (directory) => {
    const bin = `${directory}.bin`;
    await mkdir(bin);
    await writeProgram(join(bin, "jq"), `#!/bin/sh\necho '{"cmd":"echo ran"}'\nexit 3\n`);
    for (const script of [CHECKSUMS, COMPRESS]) {
      const { status, stdout } = await inProject(`PATH="$bin:$PATH" sh ${script} "$directory"`, directory, {
        env: { bin },
      });
      assert(status !== 0, `${script} must fail`);
      assertEquals(stdout, "");
    }
  });
});

// File systems of other platforms require UTF-8.
if (process.platform === "linux") {
  test("the examples fail for a file name that is not UTF-8, and process the other files", async () => {
    if (lacks("jq")) return;
    await withFiles(["good"], async (directory) => {
      await inProject(`touch "$directory/$(printf 'caf\\351')"`, directory);
      for (const script of [CHECKSUMS, COMPRESS]) {
        const { status, stdout } = await inProject(`sh ${script} "$directory"`, directory);
        const outcomes = parseResults(stdout).map(({ id, outcome }) => [id, outcome]).sort();
        assertEquals([status, outcomes], [1, [
          [join(directory, "caf\ufffd"), "failed"],
          [join(directory, "good"), "ok"],
        ]]);
      }
      const { status, stdout, stderr } = await inProject(`$RUNTIME ${WORD_COUNT} "$directory"`, directory, {
        mayCrash: true,
      });
      assertEquals([status, stdout], [1, ""]);
      assertStringIncludes(stderr, "caf\ufffd");
    });
  });
}

test("the commands in the READMEs of the examples work", async () => {
  if (lacks("jq", "cc")) return;
  const expected = {
    checksums: /^all the same$/m,
    word_count: /^ +\d+ [a-z]+$/m,
    compress: /^1 failed\n(?!.*differs)/s,
    build: /^1 3\ncompile\nlink\ntest\ntest\ninstall\n$/,
    pipeline: /^(.*\n){3}1 failed\naverage oslo\nsummary\ncheck oslo-02\.csv\naverage oslo\nsummary\n$/,
    sweep: /^3 failed\nsimulate (.*\n){3}table: skipped\npoints\nresults\.jsonl\n9\n$/,
  };
  for (const [name, output] of Object.entries(expected)) {
    const readme = await readFile(join(PROJECT, "examples", name, "README.md"), "utf8");
    const commands = [...readme.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, commands]) => commands).join("")
      .replaceAll("deno run -A", "$RUNTIME").replaceAll(LICENSES, CORPUS).replaceAll("GPL-3", FILE);
    await withTempDirectory(async (directory) => {
      const { status, stdout } = await inProject(`set -eu\n${commands}`, directory, { env: { TMPDIR: directory } });
      assertEquals([name, status], [name, 0]);
      assertMatch(stdout, output);
    });
  }
});
