/** Tests the package for npm: JavaScript in `node_modules`. */

import { existsSync } from "node:fs";
import { chmod, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { VERSION } from "../../text/version.ts";
import { parseResults, PROJECT, RUNTIME, start, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const program = (specifier: string) =>
  `import { run, TaskRunner } from ${JSON.stringify(specifier)};
const runner = new TaskRunner(4);
for (let i = 1; i <= 20; i++) runner.add("t" + i, "echo " + i);
let sum = 0;
await runner.runAndWait((result) => sum += Number(result.stdout));
for await (const { stdout } of run([{ cmd: "echo 1000" }])) sum += Number(stdout);
console.log(sum);
`;

async function assertRuns(directory: string, specifier: string): Promise<void> {
  await writeFile(join(directory, "program.mjs"), program(specifier));
  const { status, stdout, stderr } = await start(process.execPath, ["program.mjs"], {
    stdin: "",
    cwd: directory,
  }).ended;
  assertEquals([status, stdout, stderr], [0, "1210\n", ""]);
}

if (RUNTIME === "node") {
  const { buildNpmPackage } = await import("../../dev/release/npm_package.ts");

  test("a package in node_modules runs tasks, in this process and in another", async () => {
    await withTempDirectory(async (directory) => {
      const installed = join(directory, "node_modules", "@x", "taskrunner");
      await buildNpmPackage(installed);
      await symlink(join(PROJECT, "node_modules/valibot"), join(directory, "node_modules/valibot"));
      await assertRuns(directory, "@x/taskrunner");
      const remote = `import { run } from "@x/taskrunner";
        import { natsExecutor } from "@x/taskrunner/nats";
        await run([{ cmd: "true" }], { executor: natsExecutor({ servers: "127.0.0.1", queue: "q" }) }).next().catch((error) => console.log(error.message));`;
      await writeFile(join(directory, "remote.mjs"), remote);
      const { stdout } = await start(process.execPath, ["remote.mjs"], { stdin: "", cwd: directory }).ended;
      assertMatch(
        stdout,
        /^Cannot load the client for NATS: Cannot find package '@nats-io\/.*; run npm install @nats-io\/transport-node@/,
      );
    });
  });

  test("the command of the npm package runs tasks from the link that npm makes", async () => {
    await withTempDirectory(async (directory) => {
      const installed = join(directory, "node_modules/@x/taskrunner");
      await buildNpmPackage(installed);
      const manifest = JSON.parse(await readFile(join(installed, "package.json"), "utf8"));
      assertEquals([manifest.version, manifest.dependencies], [VERSION, { valibot: "1.5.0" }]);
      await symlink(join(PROJECT, "node_modules/valibot"), join(directory, "node_modules/valibot"));
      const command = join(installed, manifest.bin.taskrunner);
      await chmod(command, 0o755); // as npm does
      await symlink(command, join(directory, "taskrunner"));
      const { status, stdout } = await start(join(directory, "taskrunner"), ["-q"], { stdin: '{"cmd":"echo hi"}\n' })
        .ended;
      assertEquals([status, parseResults(stdout).map(({ stdout }) => stdout)], [0, ["hi\n"]]);
    });
  });

  test("every export of the npm package has a module and declarations", async () => {
    await withTempDirectory(async (directory) => {
      await buildNpmPackage(directory);
      const { exports } = JSON.parse(await readFile(join(directory, "package.json"), "utf8"));
      const files = Object.values<Record<string, string>>(exports).flatMap((targets) => Object.values(targets));
      assertEquals(files.filter((path) => !existsSync(join(directory, path))), []);
      for (const path of await readdir(directory, { recursive: true })) {
        if (!/\.(?:js|d\.ts)$/.test(path)) continue;
        const text = await readFile(join(directory, path), "utf8");
        for (const [, specifier] of text.matchAll(/(?:\bfrom |\bimport\()"(\.[^"]*)"/g)) {
          const target = join(
            directory,
            dirname(path),
            specifier!.replace(/\.js$/, path.endsWith(".ts") ? ".d.ts" : ".js"),
          );
          assertEquals([path, specifier, existsSync(target)], [path, specifier, true]);
        }
      }
    });
  });
}
