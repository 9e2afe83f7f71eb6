/** Counts the packages that the first command of the README downloads in a fresh clone. */

import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert/equals";
import { type Ended, jsonLines, parseResults, RUNTIME, start, withTempDirectory } from "../support/helpers.ts";
import { type NpmProxy, startNpmProxy } from "../support/npm_proxy.ts";
import { test } from "../support/test.ts";

const TASK = jsonLines([{ cmd: "echo hi" }]);

/** A copy of the repository without installed packages, and with empty caches. */
interface Clone {
  directory: string;
  proxy: NpmProxy;
  /** Runs a program in the clone, and asserts that it succeeds. */
  run(program: string, args: readonly string[], stdin?: string): Promise<Ended>;
}

async function withClone(use: (clone: Clone) => Promise<void>): Promise<void> {
  await withTempDirectory(async (parent) => {
    const directory = join(parent, "clone");
    // Uncommitted changes are a part of the copy.
    const copy = 'mkdir "$0" && git ls-files -z | tar --null --verbatim-files-from -T - -c | tar -xC "$0"';
    assertEquals((await start("sh", ["-c", copy, directory], { stdin: "" }).ended).stderr, "");
    const proxy = await startNpmProxy();
    const env = {
      NPM_CONFIG_REGISTRY: proxy.url,
      DENO_DIR: join(parent, "deno"),
      npm_config_cache: join(parent, "npm"),
      XDG_CONFIG_HOME: "/dev/null",
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    };
    const run = async (program: string, args: readonly string[], stdin = "") => {
      const ended = await start(program, args, { cwd: directory, stdin, env }).ended;
      assertEquals([ended.status, program, args], [0, program, args], ended.stderr);
      return ended;
    };
    try {
      await use({ directory, proxy, run });
    } finally {
      proxy.close();
    }
  });
}

const outputs = ({ stdout }: Ended) => parseResults(stdout).map(({ stdout }) => stdout);

const namesOf = ({ archives }: NpmProxy) => [...archives.keys()].map((path) => path.split("/-/")[0]!.slice(1)).sort();

if (RUNTIME === "deno") {
  test("in a fresh clone, Deno downloads one package for the command and its installation", async () => {
    await withClone(async ({ proxy, run, directory }) => {
      const lock = await readFile(join(directory, "deno.lock"), "utf8");
      assertEquals(outputs(await run(process.execPath, ["run", "-A", "cli.ts", "-q"], TASK)), ["hi\n"]);
      const root = join(directory, "root");
      await run(process.execPath, ["install", "-gA", "--root", root, "-n", "taskrunner", "cli.ts"]);
      assertEquals(outputs(await run(join(root, "bin/taskrunner"), ["-q"], TASK)), ["hi\n"]);
      assertEquals(namesOf(proxy), ["valibot"]);
      assertEquals(await readFile(join(directory, "deno.lock"), "utf8"), lock);
    });
  });
}

if (RUNTIME === "node") {
  test("in a fresh clone, npm ci --omit=dev downloads two packages", async () => {
    await withClone(async ({ proxy, run }) => {
      await run("npm", ["ci", "--omit=dev"]);
      assertEquals(outputs(await run(process.execPath, ["cli.ts", "-q"], TASK)), ["hi\n"]);
      assertEquals(namesOf(proxy), ["deno-std", "valibot"]);
    });
  });
}
