import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert/equals";
import { transformSync } from "rolldown/utils";
import { PROJECT, RUN_MODULE, RUNTIME, start, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

test("importNpmPackage() imports the installed package when it is in a package from npm itself", async () => {
  await withTempDirectory(async (directory) => {
    const { code } = transformSync("a.ts", await readFile(join(PROJECT, "system/npm_package.ts"), "utf8"));
    await writePackage(directory, "loader", code);
    await writePackage(directory, "@some/dependency", 'export const answer = "installed";');
    await writeFile(
      join(directory, "program.mjs"),
      `import { importNpmPackage } from "loader";
      console.log((await importNpmPackage("@some/dependency", "1.0.0")).answer);`,
    );
    await writeFile(join(directory, "package.json"), '{ "dependencies": { "loader": "1.0.0" } }');
    const flags = RUNTIME === "deno" ? ["--quiet", "--node-modules-dir=manual"] : [];
    const { stdout, stderr } = await start(process.execPath, [...RUN_MODULE, ...flags, "program.mjs"], {
      cwd: directory,
      stdin: "",
    }).ended;
    assertEquals([stdout, stderr], ["installed\n", ""]);
  });
});

async function writePackage(directory: string, name: string, code: string): Promise<void> {
  const path = join(directory, "node_modules", name);
  await mkdir(path, { recursive: true });
  const manifest = { name, version: "1.0.0", type: "module", exports: "./index.js" };
  await writeFile(join(path, "package.json"), JSON.stringify(manifest));
  await writeFile(join(path, "index.js"), code);
}
