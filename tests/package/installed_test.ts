/** What is published, as JSR hands it out: modules by URL to Deno, a package of JavaScript to Node. */

import { test } from "node:test";
import { existsSync, readFileSync } from "node:fs";
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import nodeModule from "node:module";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { PROJECT, RUN_MODULE, RUNTIME, start, TIMEOUT, withTempDirectory } from "../support/helpers.ts";

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
  const args = RUNTIME === "deno" ? [...RUN_MODULE, "--no-lock", "--quiet"] : RUN_MODULE;
  const { status, stdout, stderr } = await start(process.execPath, [...args, "program.mjs"], {
    stdin: "",
    cwd: directory,
  }).ended;
  assertEquals([status, stdout, stderr], [0, "1210\n", ""]);
}

/** The modules that `mod.ts` and `nats/mod.ts` consist of. */
async function publishedModules(): Promise<Map<string, string>> {
  const modules = new Map<string, string>();
  const waiting = ["mod.ts", "nats/mod.ts"];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (modules.has(path)) continue;
    const text = await readFile(join(PROJECT, path), "utf8");
    modules.set(path, text);
    for (const [, specifier] of text.matchAll(/(?:from |import\()"(\.[^"]*)"/g)) {
      waiting.push(join(dirname(path), specifier!));
    }
  }
  return modules;
}

if (RUNTIME === "node") {
  test("a package in node_modules runs tasks, also in a process of its own", TIMEOUT, async () => {
    await withTempDirectory(async (directory) => {
      const installed = join(directory, "node_modules", "@x", "taskrunner");
      for (const [path, text] of await publishedModules()) {
        const target = join(installed, path.replace(/\.ts$/, ".js"));
        await mkdir(dirname(target), { recursive: true });
        const script = nodeModule.stripTypeScriptTypes(text).replace(/((?:from |import\()"\.[^"]*)\.ts"/g, '$1.js"');
        await writeFile(target, script);
      }
      await writeFile(
        join(installed, "package.json"),
        '{ "type": "module", "exports": { ".": "./mod.js", "./nats": "./nats/mod.js" } }',
      );
      for (const name of ["valibot", "deno-std"]) {
        await symlink(join(PROJECT, "node_modules", name), join(directory, "node_modules", name));
      }
      await cp(join(PROJECT, "dev/std_npm"), join(directory, "node_modules", "@std"), { recursive: true });
      await assertRuns(directory, "@x/taskrunner");
      const remote = `import { run } from "@x/taskrunner";
        import { natsExecutor } from "@x/taskrunner/nats";
        await run([{ cmd: "true" }], { executor: natsExecutor({ servers: "127.0.0.1", queue: "q" }) }).next().catch((error) => console.log(error.message));`;
      await writeFile(join(directory, "remote.mjs"), remote);
      const { stdout } = await start(process.execPath, ["remote.mjs"], { stdin: "", cwd: directory }).ended;
      assertMatch(
        stdout,
        /^Cannot load the client for NATS: Cannot find package '@nats-io\/.*; npm install @nats-io\/transport-node@/,
      );
    });
  });
}

if (RUNTIME === "deno") {
  test("modules from a URL run tasks, also in a process of its own", TIMEOUT, async () => {
    const packages: Record<string, string> = {
      "valibot": "/node_modules/valibot/dist/index.mjs",
      "@std/cli/parse-args": "/node_modules/deno-std/cli/parse_args.js",
    };
    const server = createServer(({ url }, response) => {
      const path = join(PROJECT, url!);
      const text = existsSync(path) ? readFileSync(path, "utf8") : undefined;
      const type = url!.endsWith(".ts") ? "application/typescript" : "text/javascript";
      response.writeHead(text === undefined ? 404 : 200, { "content-type": type });
      response.end(
        text?.replace(/(from )"([^".][^"]*)"/g, (all, from, name) => {
          return packages[name] ? `${from}"${packages[name]}"` : all;
        }),
      );
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    try {
      await withTempDirectory(async (directory) => {
        await assertRuns(directory, `http://127.0.0.1:${(server.address() as AddressInfo).port}/mod.ts`);
      });
    } finally {
      server.close();
    }
  });
}
