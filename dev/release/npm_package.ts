/**
 * Builds the package for npm: a JavaScript bundle with declarations, since Node runs no TypeScript in node_modules. The
 * bundle is split into chunks that the entries share. A bundle starts faster than a file for each module, and contains only
 * the parts of its dependencies that it uses.
 *
 *     deno task npm [--name @SCOPE/NAME] [--version VERSION] [DIRECTORY]
 *
 * @module
 */

import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, posix, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Plugin, type PluginContext, type ResolveIdResult, rolldown } from "rolldown";
import { isolatedDeclarationSync } from "rolldown/experimental";
import { isEntryPoint } from "../../system/entry_point.ts";
import { VERSION_DATE } from "../../text/version.ts";
import { checkVersion, PACKAGE_NAME, withVersion } from "./names.ts";
import { declaredPackages, installedPackages, OPTIONAL_PACKAGE, packageOfModule, ROOT } from "./packages.ts";
import { output } from "./programs.ts";
import { IN_REPORTS, thirdParty } from "./third_party.ts";

/** A relative import, export or dynamic import of another module. */
const RELATIVE_IMPORT = /((?:\bfrom|\bimport\(?)\s*)"(\.[^"]*)\.ts"/g;

/** The URL of another module, which another process or thread loads. */
const MODULE_URL = /new URL\("(\.[^"]*\.ts)", import\.meta\.url\)\.href/g;

const KEYWORDS = ["task-runner", "parallel", "concurrency", "process-pool", "shell", "xargs", "jsonl", "cli"];

/** Files that are copied, by their paths in the package. */
const COPIED_FILES: Readonly<Record<string, string>> = {
  "README.md": "README.md",
  "CHANGELOG.md": "CHANGELOG.md",
  "LICENSE": "LICENSE",
  "schemas/task.schema.json": "records/task.schema.json",
  "schemas/result.schema.json": "records/result.schema.json",
};

/**
 * The command. The first line starts `sh`, because `bun add -g` works on a machine without Node, and `#!` can name only one
 * runtime. The second line starts the runtime; in JavaScript it is a string and a comment.
 */
const COMMAND = `#!/usr/bin/env sh
":" //; exec "$(command -v node || command -v bun || echo node)" "$0" "$@"

import process from "node:process";
import { runCommandLine } from "../dist/cli.js";

runCommandLine().catch((error) => {
  console.error(error);
  process.exit(255);
});
`;

interface Manifest {
  name: string;
  version: string;
  description: string;
  license: string;
  exports: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

/** Options of {@linkcode buildNpmPackage}. */
export interface NpmPackageOptions {
  /**
   * The name of the package, with its scope.
   *
   * @default {"@x/taskrunner"}
   */
  name?: string | undefined;
  /**
   * The version of the package.
   *
   * @default the version in `package.json`
   */
  version?: string | undefined;
  /**
   * The day of the version, as `YYYY-MM-DD`.
   *
   * @default the day in `text/version.ts`
   */
  date?: string | undefined;
  /** The URL of the repository, which npm compares with the repository that the provenance names. */
  repository?: string | undefined;
}

/** Builds the package in an empty or missing directory. */
export async function buildNpmPackage(directory: string, options: NpmPackageOptions = {}): Promise<void> {
  await mkdir(directory, { recursive: true });
  if ((await readdir(directory)).length > 0) throw new Error(`Cannot build the package: ${directory} is not empty`);
  const manifest: Manifest = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  const { name = manifest.name, version = manifest.version } = options;
  const identity = { ...options, name: checkName(name), version: checkVersion(version) };
  const exported = Object.values(manifest.exports).map((path) => posix.join(path));
  const modules = await readModules(exported, identity);
  const { files, packages } = await bundle(modules, exported, Object.keys(manifest.dependencies));
  const all = new Map([
    ["package.json", `${JSON.stringify(npmManifest(manifest, identity), undefined, 2)}\n`],
    ["bin/taskrunner.js", COMMAND],
    ["THIRD_PARTY", await licenses(packages)],
    ...files,
    ...declarations(modules, exported),
  ]);
  for (const [path, source] of Object.entries(COPIED_FILES)) {
    all.set(path, renamed(await readFile(join(ROOT, source), "utf8"), identity));
  }
  for (const [path, text] of all) {
    const target = join(directory, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, text);
    await chmod(target, path.startsWith("bin/") ? 0o755 : 0o644); // at any umask
  }
}

/** Packs a built package with npm, and returns the path of the tarball in `destination`. */
export async function packNpmPackage(directory: string, destination: string): Promise<string> {
  await mkdir(destination, { recursive: true });
  const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", resolve(destination)];
  const { stdout } = await output("npm", args, { cwd: directory });
  const [{ filename }] = Object.values<{ filename: string }>(JSON.parse(stdout)) as [{ filename: string }];
  return join(destination, filename);
}

/** The options, with the name and the version of the package. */
type Identity = NpmPackageOptions & { name: string; version: string };

function checkName(name: string): string {
  if (/^@[a-z\d][a-z\d-]*\/[a-z\d][a-z\d-]*$/.test(name)) return name;
  throw new RangeError(`Cannot build the package: "${name}" is not a name with a scope, such as @scope/taskrunner`);
}

/** Returns a text of the repository with the name of the package that is built. */
function renamed(text: string, { name }: Identity): string {
  return text.replaceAll(PACKAGE_NAME, name);
}

/** Reads the modules that the entries consist of, by their paths from the root of the project. */
async function readModules(entries: readonly string[], identity: Identity): Promise<Map<string, string>> {
  const modules = new Map<string, string>();
  const waiting = [...entries];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (modules.has(path)) continue;
    const text = renamed(await readFile(join(ROOT, path), "utf8"), identity);
    modules.set(path, text);
    for (const [, , specifier] of text.matchAll(RELATIVE_IMPORT)) waiting.push(resolved(`${specifier}.ts`, path));
    for (const [, specifier] of text.matchAll(MODULE_URL)) waiting.push(resolved(specifier!, path));
  }
  const { version, date = VERSION_DATE } = identity;
  modules.set("text/version.ts", withVersion(modules.get("text/version.ts") ?? "", version, date));
  return modules;
}

/** The entries of the modules that `--version` needs. */
const START = ["cli/start.ts", "system/entry_point.ts", "cli/command_process.ts", "cli/print_version.ts"];

/** The entries of the further modules that a run of a task file needs. */
const RUN = [
  "cli/main.ts",
  "cli/commands/run.ts",
  "cli/run_tasks.ts",
  "cli/task_file.ts",
  "cli/ui/plain_display.ts",
  "jsonl/jsonl_writer.ts",
];

/** A static import of a module of the package that is more than a type. */
const STATIC_IMPORT = /^(?:import|export)(?! type)\b[^;"]*"(\.[^"]+)";/gm;

/** Returns the modules that become one file each: every file takes Node half a millisecond to load. */
function chunkGroups(modules: ReadonlyMap<string, string>) {
  const [start, run] = [staticGraph(START, modules), staticGraph(RUN, modules)];
  return [
    { name: "start", priority: 2, test: (path: string) => start.has(path) },
    { name: "run", priority: 1, test: (path: string) => run.has(path) || packageOfModule(path) === "valibot" },
  ];
}

/** Returns modules and those that they import statically. */
function staticGraph(entries: readonly string[], modules: ReadonlyMap<string, string>): Set<string> {
  const graph = new Set<string>();
  const waiting = [...entries];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (graph.has(path)) continue;
    graph.add(path);
    for (const [, specifier] of modules.get(path)!.matchAll(STATIC_IMPORT)) waiting.push(resolved(specifier!, path));
  }
  return graph;
}

interface Bundle {
  /** The text of each file by its path in the package. */
  files: [path: string, text: string][];
  /** The names of the packages of which the bundle contains code. */
  packages: Set<string>;
}

async function bundle(
  modules: ReadonlyMap<string, string>,
  exported: readonly string[],
  dependencies: readonly string[],
): Promise<Bundle> {
  const sources = new BundleSources(modules, dependencies);
  const input = Object.fromEntries(exported.map((path) => [path.replace(/\.ts$/, ""), path]));
  const bundler = await rolldown({ cwd: ROOT, input, platform: "node", plugins: [sources.plugin()] });
  const { output: files } = await bundler.generate({
    entryFileNames: "[name].js",
    chunkFileNames: "chunks/[name].js",
    codeSplitting: { groups: chunkGroups(modules) },
    comments: false,
    // Keeps lines and the names of functions and classes, for stack traces.
    minify: { compress: false, mangle: { keepNames: true }, codegen: { removeWhitespace: false } },
  });
  await bundler.close();
  const chunks = files.filter((file) => file.type === "chunk");
  return {
    files: chunks.map(({ fileName, code }) => [`dist/${fileName}`, code]),
    packages: new Set(chunks.flatMap(({ moduleIds }) => moduleIds.flatMap((id) => packageOfModule(id) ?? []))),
  };
}

/**
 * The modules of a bundle: those of the project, and those of the packages that they always need. The runtime loads all
 * others. The bundler sees paths from the root of the project, so that the bytes do not depend on the path of the root.
 */
class BundleSources {
  readonly #modules: ReadonlyMap<string, string>;
  readonly #dependencies: readonly string[];
  /** The files of the modules that are from packages. */
  readonly #files = new Map<string, string>();

  constructor(modules: ReadonlyMap<string, string>, dependencies: readonly string[]) {
    this.#modules = modules;
    this.#dependencies = dependencies;
  }

  /** Returns a plugin that gives the modules to the bundler. */
  plugin(): Plugin {
    const resolve = this.#resolve.bind(this);
    const load = this.#load.bind(this);
    return {
      name: "bundle-sources",
      resolveId(specifier, importer) {
        return resolve(this, specifier, importer);
      },
      load(path) {
        return load(this, path);
      },
    };
  }

  async #resolve(context: PluginContext, specifier: string, importer?: string): Promise<ResolveIdResult> {
    const path = importer === undefined ? specifier : resolved(specifier, importer);
    if (this.#modules.has(path)) return path;
    const file = this.#files.get(importer ?? "");
    if (file === undefined && !this.#dependencies.includes(specifier)) return { id: specifier, external: true };
    const found = await context.resolve(specifier, file ?? join(ROOT, "mod.ts"), { skipSelf: true });
    if (!found || found.external) return found;
    const id = found.id.slice(found.id.lastIndexOf("/node_modules/") + 1);
    this.#files.set(id, found.id);
    return id;
  }

  async #load(context: PluginContext, path: string): Promise<string | undefined> {
    const file = this.#files.get(path);
    if (file !== undefined) return await readFile(file, "utf8");
    return this.#modules.get(path)?.replace(MODULE_URL, (_, specifier: string) => {
      const id = resolved(specifier, path);
      const fileName = id.replace(/\.ts$/, ".js");
      const reference = context.emitFile({ type: "chunk", id, fileName, preserveSignature: "strict" });
      return `import.meta.ROLLUP_FILE_URL_${reference}`;
    });
  }
}

/** Returns the licenses of the packages in the bundle, and of those in the page of a report. */
async function licenses(packages: Iterable<string>): Promise<string> {
  const { inReports } = await declaredPackages();
  const [inBundle, inPage] = await Promise.all([installedPackages([...packages]), installedPackages(inReports)]);
  return await thirdParty([
    ...[...inBundle.values()].map((each) => ({ ...each, uses: ["in this package"] })),
    ...[...inPage.values()].map((each) => ({ ...each, uses: [IN_REPORTS] })),
  ]);
}

/** Returns the declarations that the exports refer to, by their paths in the package. */
function declarations(modules: ReadonlyMap<string, string>, entries: readonly string[]): Map<string, string> {
  const files = new Map<string, string>();
  const waiting = [...entries];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const target = `types/${path.replace(/\.ts$/, ".d.ts")}`;
    if (files.has(target)) continue;
    // Errors are about types that no export of the package uses: deno publish refuses slow types in the others.
    const { code } = isolatedDeclarationSync(path, modules.get(path)!);
    for (const [, , specifier] of code.matchAll(RELATIVE_IMPORT)) waiting.push(resolved(`${specifier}.ts`, path));
    files.set(target, code.replace(RELATIVE_IMPORT, '$1"$2.js"'));
  }
  return files;
}

/** Returns the manifest to publish, without what only the repository needs. */
function npmManifest(
  { description, license, exports, devDependencies }: Manifest,
  { name, version, repository }: Identity,
) {
  const optional = Object.entries(devDependencies).filter(([name]) => OPTIONAL_PACKAGE.test(name))
    .map(([name, version]) => [name, `^${version}`] as const);
  const modules = Object.entries(exports).map(([name, path]) => {
    const module = posix.join(path).replace(/\.ts$/, "");
    return [name, { types: `./types/${module}.d.ts`, default: `./dist/${module}.js` }] as const;
  });
  const schemas = ["task", "result"].map((name) => [`./${name}.schema.json`, `./schemas/${name}.schema.json`] as const);
  return {
    name,
    version,
    description,
    keywords: KEYWORDS,
    license,
    ...repository !== undefined && { repository: { type: "git", url: `git+${repository}.git` } },
    type: "module",
    engines: { node: ">=22.18" },
    os: ["!win32"],
    bin: { taskrunner: "bin/taskrunner.js" },
    files: ["bin", "dist", "schemas", "types", "CHANGELOG.md", "THIRD_PARTY"],
    // The process of a TaskRunner. Importing any other module does nothing.
    sideEffects: ["./dist/isolate/main.js"],
    exports: { ...Object.fromEntries([...modules, ...schemas]), "./package.json": "./package.json" },
    peerDependencies: Object.fromEntries(optional),
    peerDependenciesMeta: Object.fromEntries(optional.map(([name]) => [name, { optional: true }])),
  };
}

/** Returns the path of a relative specifier in a module. */
function resolved(specifier: string, importer: string): string {
  return posix.join(posix.dirname(importer), specifier);
}

if (isEntryPoint(import.meta, "dev/release/npm_package")) {
  const options = { name: { type: "string" }, version: { type: "string" } } as const;
  const { values, positionals } = parseArgs({ args: process.argv.slice(2), options, allowPositionals: true });
  const [directory = join(ROOT, "dist/npm"), ...more] = positionals;
  if (more.length > 0) throw new Error(`Unknown argument: ${more[0]}`);
  if (positionals.length === 0) await rm(directory, { recursive: true, force: true });
  await buildNpmPackage(directory, values);
  console.log(await packNpmPackage(directory, dirname(resolve(directory))));
}
