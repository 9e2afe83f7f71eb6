import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import {
  IS_LEFT_TO_BUN,
  lacks,
  pathWithTaskrunner,
  PROJECT,
  RUN_MODULE,
  RUNTIME,
  shell,
  start,
  withTempDirectory,
} from "../support/helpers.ts";
import { hasProgram } from "../support/programs.ts";
import { type Block, blocksOf, pagesBelow, readPage } from "../support/pages.ts";
import { test } from "../support/test.ts";

/** The pages whose commands and programs run, in the order of their paths. */
const PAGES = ["README.md", ...await pagesBelow("docs/guides"), ...await pagesBelow("docs/reference")];
/** Pages of which other tests run the commands, with a server or with interpreters. */
const TESTED_ELSEWHERE = new Set(["docs/guides/distributed.md", "docs/guides/other-languages.md"]);
/** The programs that the commands call. */
const PROGRAMS = ["jq", "gzip", "npm", "python3", "seq", "xargs"];
/** Selects commands of GNU parallel, which run only where it is installed. */
const isOfPeer = (block: Block) => block.text.startsWith("parallel ");

const readme = blocksOf(await readPage("README.md"));
const isInstall = (block: Block) => block.heading === "Install";

/** Replaces what differs between two runs. */
function withoutTimes(text: string): string {
  return text.replace(/"startedAt":"[^"]*"/g, '"startedAt":""').replace(
    /"(duration|user|system)Ms":[\d.]+/g,
    '"$1Ms":0',
  );
}

for (const page of PAGES.filter((page) => !TESTED_ELSEWHERE.has(page))) {
  if (IS_LEFT_TO_BUN && page !== "README.md") continue;
  const blocks = blocksOf(await readPage(page));
  const commands = blocks.map((block, index) => ({ block, output: blocks[index + 1] }))
    .filter(({ block }) => block.language === "sh" && !isInstall(block));
  if (commands.length === 0) continue;
  test(`every command in ${page} prints what the page shows`, async () => {
    if (lacks(...PROGRAMS)) return;
    await withTempDirectory(async (directory) => {
      const PATH = await pathWithTaskrunner(directory);
      const cwd = join(directory, "here");
      await mkdir(cwd);
      for (const { block, output } of commands) {
        if (isOfPeer(block) && !hasProgram("parallel")) continue;
        const expected = output && ["jsonl", "text"].includes(output.language) ? output.text : "";
        const env = { PATH, TMPDIR: directory, PARALLEL_HOME: directory };
        const { stdout, stderr } = await shell(block.text, { cwd, env });
        assertEquals(withoutTimes(stdout), withoutTimes(expected), `${block.text}\n${stderr}`);
      }
    });
  });
}

/** Node 22 cannot parse `await using`. */
const hasUsing = RUNTIME !== "node" || Number.parseInt(process.versions.node) >= 24;

test("every program in the README, the guides and the reference runs", async () => {
  const programs: { page: string; text: string }[] = [];
  for (const page of PAGES) {
    for (const { language, text } of blocksOf(await readPage(page))) {
      if (language === "ts" && (hasUsing || !text.includes("await using"))) programs.push({ page, text });
    }
  }
  assert(programs.length >= 4, `${programs.length} programs`);
  // Inside the project, where its own name resolves as it does in a program that has installed it.
  const directory = await mkdtemp(join(PROJECT, ".readme-"));
  try {
    for (const [index, { page, text }] of programs.entries()) {
      const path = join(directory, `program${index}.ts`);
      await writeFile(path, text);
      const { status, stderr } = await start(process.execPath, [...RUN_MODULE, path], { stdin: "", cwd: directory })
        .ended;
      assertEquals([status, stderr], [0, ""], `${page}\n${text}`);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});

const installs = readme.filter((block) => isInstall(block) && block.language === "sh");
const RUNTIME_OF_INSTALL: Readonly<Record<string, string>> = { "deno install": "deno", "npm ci": "node" };

test("the README shows how to install the command for each kind of runtime", () => {
  const known = Object.keys(RUNTIME_OF_INSTALL);
  assertEquals(installs.map(({ text }) => known.find((words) => text.startsWith(words))), known);
});

for (const { text } of installs) {
  const [, runtime] = Object.entries(RUNTIME_OF_INSTALL).find(([words]) => text.startsWith(words)) ?? [];
  if (runtime !== RUNTIME) continue;
  test(`the README's commands install the command with ${runtime}`, async () => {
    await withTempDirectory(async (directory) => {
      const clone = join(directory, "taskrunner");
      await mkdir(clone);
      for (const name of await readdir(PROJECT)) {
        if (name === "node_modules" || name.startsWith(".readme-") || name === ".git") continue;
        await cp(join(PROJECT, name), join(clone, name), { recursive: true });
      }
      const root = join(directory, "root");
      const env = {
        PATH: `${join(root, "bin")}:${process.env.PATH}`,
        DENO_INSTALL_ROOT: root,
        npm_config_prefer_offline: "true",
        npm_config_loglevel: "error",
      };
      const script = `${text}\ncd /\necho '{"cmd":"echo hello"}' | taskrunner --quiet`;
      const { status, stdout, stderr } = await shell(script, { cwd: clone, env });
      assertEquals([status, /"stdout":"hello\\n"/.test(stdout)], [0, true], stdout + stderr);
    });
  });
}

test("the CI runs the test command of CONTRIBUTING.md, and nothing else", async () => {
  const [command] = blocksOf(await readPage("CONTRIBUTING.md")).filter(({ text }) =>
    text.includes("run_tests.ts --ci")
  );
  const script = await readFile(join(PROJECT, ".ci", "run"), "utf8");
  const lines = script.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  assertEquals(lines, ["set -eu", 'cd "$(dirname "$0")/.."', "export CI=true", command!.text.trim()]);
});
