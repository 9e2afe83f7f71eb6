/** Checks the tarball for npm with the tools that users and registries check packages with. */

import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { PROJECT, RUNTIME, start, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Not a development dependency, because Deno would download it with valibot, which has it as an optional peer. */
const TYPESCRIPT = "typescript@7.0.2";

/** A program that uses every export of the package. */
const CONSUMER = `
import { createPool, InvalidTaskError, run, sh, TaskRunner, type Task, type TaskResult } from "@x/taskrunner";
import { runCommandLine } from "@x/taskrunner/cli";
import { type JsonLine, JsonLinesWriter, readJsonLines } from "@x/taskrunner/jsonl";
import { natsExecutor, type NatsOptions } from "@x/taskrunner/nats";
import { defaultSpawnAdapter, type SpawnAdapter } from "@x/taskrunner/spawn-adapters";
import { spawnAdapter as forDeno } from "@x/taskrunner/spawn-adapters/deno";
import { spawnAdapter as forBun } from "@x/taskrunner/spawn-adapters/bun";
import { spawnAdapter as forNode } from "@x/taskrunner/spawn-adapters/node";
import taskSchema from "@x/taskrunner/task.schema.json" with { type: "json" };
import resultSchema from "@x/taskrunner/result.schema.json" with { type: "json" };
import manifest from "@x/taskrunner/package.json" with { type: "json" };

const tasks: Task<{ n: number }>[] = [{ cmd: sh\`echo \${"a b"}\`, meta: { n: 1 } }];
const nats: NatsOptions = { servers: "nats://127.0.0.1", queue: "q" };
for await (const result of run(tasks, { concurrency: 2, executor: natsExecutor(nats) })) {
  const { outcome, meta }: TaskResult<{ n: number }> = result;
  const sum: number = 1 + (meta?.n ?? 0);
  console.log(outcome, sum);
}
const pool = createPool({ concurrency: 1 });
const status: number | null = (await pool.run("true")).status;
const runner = new TaskRunner({ retry: 2, isolate: false });
const finished: Promise<unknown> = runner.runAndWait(({ stdout }: TaskResult) => stdout.length);
const adapters: SpawnAdapter[] = [forDeno, forBun, forNode, await defaultSpawnAdapter()];
const lines: AsyncIterable<JsonLine> = readJsonLines(new Blob(["{}"]).stream());
const writer = new JsonLinesWriter({ write: async (bytes) => console.log(bytes.length) });
const end: Promise<never> = runCommandLine();
console.log(taskSchema.title, resultSchema.title, manifest.version, InvalidTaskError.name);
export { adapters, end, finished, lines, status, writer };

// @ts-expect-error The declarations must be there, and must not be any.
run([{ cmd: 1 }]);
`;

/** A CommonJS program. */
const COMMON_CONSUMER = `
import taskrunner = require("@x/taskrunner");
const runner: taskrunner.TaskRunner = new taskrunner.TaskRunner(4);
export = runner;
`;

if (RUNTIME === "node") {
  const { npmPackage } = await import("../support/npm_package.ts");

  test("publint finds nothing in the npm package", async () => {
    const { publint } = await import("publint");
    const { tarball } = await npmPackage();
    const { buffer } = new Uint8Array(await readFile(tarball));
    const { messages } = await publint({ pack: { tarball: buffer }, strict: true });
    assertEquals(messages, []);
  });

  test("arethetypeswrong finds no problem for ECMAScript modules in the npm package", async () => {
    const { checkPackage, createPackageFromTarballData } = await import("@arethetypeswrong/core");
    const { filterProblems } = await import("@arethetypeswrong/core/problems");
    const { tarball } = await npmPackage();
    const analysis = await checkPackage(createPackageFromTarballData(new Uint8Array(await readFile(tarball))));
    assert(analysis.types !== false);
    for (const resolutionKind of ["node16-esm", "bundler"] as const) {
      assertEquals(filterProblems(analysis, { resolutionKind }), [], resolutionKind);
    }
    for (const { resolutions } of Object.values(analysis.entrypoints)) {
      assert(resolutions["node16-esm"].resolution !== undefined);
    }
  });

  test("strict TypeScript accepts the declarations of the npm package, and a program that uses them", async () => {
    const { tarball } = await npmPackage();
    await withTempDirectory(async (directory) => {
      const installed = join(directory, "node_modules/@x/taskrunner");
      await mkdir(installed, { recursive: true });
      await start("tar", ["-xzf", tarball, "--strip-components=1", "-C", installed], { stdin: "" }).ended;
      const types = join(directory, "node_modules/@types/node");
      await mkdir(dirname(types));
      await symlink(join(PROJECT, "node_modules/@types/node"), types);
      await writeFile(join(directory, "package.json"), '{ "type": "module" }');
      await writeFile(join(directory, "consumer.ts"), CONSUMER);
      await writeFile(join(directory, "consumer.cts"), COMMON_CONSUMER);
      const compile = async (module: string, moduleResolution: string) => {
        const compilerOptions = {
          module,
          moduleResolution,
          target: "es2023",
          lib: ["es2023"],
          types: ["node"],
          noEmit: true,
          skipLibCheck: false,
          strict: true,
          exactOptionalPropertyTypes: true,
          noUncheckedIndexedAccess: true,
          resolveJsonModule: true,
        };
        const file = join(directory, `${module}.json`);
        await writeFile(file, JSON.stringify({ compilerOptions, files: ["consumer.ts", "consumer.cts"] }));
        const args = ["exec", "--yes", `--package=${TYPESCRIPT}`, "--", "tsc", "-p", file];
        const { status, stdout, stderr } = await start("npm", args, {
          stdin: "",
          cwd: directory,
          env: { npm_config_call: "" },
        }).ended;
        assertEquals([status, stdout], [0, ""], `${moduleResolution}: ${stderr}`);
      };
      await compile("nodenext", "nodenext");
      await compile("preserve", "bundler");
    });
  });
}
