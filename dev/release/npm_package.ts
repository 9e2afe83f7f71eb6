/**
 * Builds the package for npm: the published modules as JavaScript with declarations, since Node runs no TypeScript in
 * node_modules.
 *
 *     node dev/release/npm_package.ts DIRECTORY
 *
 * @module
 */

import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { isolatedDeclarationSync, transformSync } from "oxc-transform";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A relative import, export or dynamic import of another module of the package. */
const RELATIVE_IMPORT = /((?:\bfrom|\bimport\(?)\s*)"(\.[^"]*)\.ts"/g;

/** Packages that a run loads only when it uses them, and that users install then. */
const OPTIONAL_PACKAGE = /^@(?:nats-io|opentelemetry)\//;

interface Manifest {
  name: string;
  version: string;
  description: string;
  license: string;
  exports: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

/** Builds the package in an empty or missing directory. */
export async function buildNpmPackage(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  if ((await readdir(directory)).length > 0) throw new Error(`Cannot build the package: ${directory} is not empty`);
  const manifest: Manifest = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  for (const [path, text] of await publishedModules(Object.values(manifest.exports))) {
    const target = join(directory, path.replace(/\.ts$/, ""));
    await mkdir(dirname(target), { recursive: true });
    const { code, errors } = transformSync(path, text, { target: "es2023" });
    if (errors.length > 0) throw new Error(`Cannot compile ${path}: ${errors[0]!.message}`);
    const shebang = path === "cli.ts" ? "#!/usr/bin/env node\n" : "";
    await writeFile(`${target}.js`, shebang + withJavaScriptImports(code));
    // Errors are about types that no export of the package uses: deno publish refuses slow types in the others.
    await writeFile(`${target}.d.ts`, withJavaScriptImports(isolatedDeclarationSync(path, text).code));
  }
  for (
    const name of ["README.md", "CHANGELOG.md", "LICENSE", "records/task.schema.json", "records/result.schema.json"]
  ) {
    await cp(join(ROOT, name), join(directory, name));
  }
  await writeFile(join(directory, "package.json"), `${JSON.stringify(npmManifest(manifest), undefined, 2)}\n`);
}

/** Returns the manifest to publish, without what only the repository needs. */
function npmManifest({ name, version, description, license, exports, dependencies, devDependencies }: Manifest) {
  const optional = Object.entries(devDependencies).filter(([name]) => OPTIONAL_PACKAGE.test(name))
    .map(([name, version]) => [name, `^${version}`] as const);
  return {
    name,
    version,
    description,
    license,
    type: "module",
    engines: { node: ">=22.18" },
    bin: { taskrunner: "./cli.js" },
    exports: Object.fromEntries(
      Object.entries(exports).map(([name, path]) => {
        const target = path.replace(/\.ts$/, "");
        return [name, { types: `${target}.d.ts`, default: `${target}.js` }];
      }),
    ),
    dependencies,
    peerDependencies: Object.fromEntries(optional),
    peerDependenciesMeta: Object.fromEntries(optional.map(([name]) => [name, { optional: true }])),
  };
}

/** Reads the modules that the exports consist of, by their paths from the root of the project. */
async function publishedModules(entries: readonly string[]): Promise<Map<string, string>> {
  const modules = new Map<string, string>();
  const waiting = entries.map((path) => join(path));
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (modules.has(path)) continue;
    const text = await readFile(join(ROOT, path), "utf8");
    modules.set(path, text);
    for (const [, , specifier] of text.matchAll(RELATIVE_IMPORT)) waiting.push(join(dirname(path), `${specifier}.ts`));
  }
  return modules;
}

function withJavaScriptImports(code: string): string {
  return code.replace(RELATIVE_IMPORT, '$1"$2.js"');
}

if (import.meta.main) {
  const [directory] = process.argv.slice(2);
  if (directory === undefined) throw new Error("Missing DIRECTORY");
  await buildNpmPackage(directory);
}
