import { test } from "node:test";
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { lacks, PROJECT, RUN_MODULE, RUNTIME, shell, start, TIMEOUT, withTempDirectory } from "../support/helpers.ts";

interface Block {
  language: string;
  text: string;
}

const readme = await readFile(join(PROJECT, "README.md"), "utf8");
const blocks: Block[] = [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, text]) => ({
  language: language!,
  text: text!,
}));
/** Returns whether a block is the test command, which would run this test recursively. */
const isTestCommand = (block: Block) => block.text.includes("deno task ci");

/** Replaces times, which differ between runs. */
function withoutTimes(text: string): string {
  return text.replace(/"startedAt":"[^"]*"/g, '"startedAt":""').replace(
    /"(duration|user|system)Ms":[\d.]+/g,
    '"$1Ms":0',
  );
}

// The commands call `deno`, so testing them on one runtime is enough.
if (RUNTIME === "deno") {
  test("every command in the README prints the output shown there", TIMEOUT, async () => {
    if (lacks("jq")) return;
    const commands = blocks.map((block, index) => ({ block, output: blocks[index + 1] }))
      .filter(({ block }) => block.language === "sh" && !isTestCommand(block));
    assert(commands.length >= 3, "the README has commands");
    await withTempDirectory(async (directory) => {
      for (const name of await readdir(PROJECT)) {
        if (name === ".git") continue;
        if (name === "node_modules") await symlink(join(PROJECT, name), join(directory, name));
        else await cp(join(PROJECT, name), join(directory, name), { recursive: true });
      }
      for (const { block, output } of commands) {
        assert(output && ["jsonl", "text"].includes(output.language), `no output follows: ${block.text}`);
        const { stdout, stderr } = await shell(block.text, { cwd: directory });
        assertEquals(withoutTimes(stdout), withoutTimes(output.text), stderr);
      }
    });
  });
}

test("every program in the README runs without errors", TIMEOUT, async () => {
  const programs = blocks.filter(({ language }) => language === "ts");
  assert(programs.length >= 2, "the README has programs");
  // Inside the project, where its own name resolves as it does in a program that has installed it.
  const directory = await mkdtemp(join(PROJECT, ".readme-"));
  try {
    for (const [index, { text }] of programs.entries()) {
      const path = join(directory, `program${index}.ts`);
      await writeFile(path, text);
      const { status, stderr } = await start(process.execPath, [...RUN_MODULE, path], { stdin: "" }).ended;
      assertEquals([status, stderr], [0, ""]);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("CI runs the test command of the README and nothing else", async () => {
  const [command] = blocks.filter(isTestCommand);
  const script = await readFile(join(PROJECT, ".ci", "run"), "utf8");
  const lines = script.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  assertEquals(lines, ["set -eu", 'cd "$(dirname "$0")/.."', "export CI=true", command!.text.trim()]);
});
