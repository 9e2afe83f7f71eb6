/** Compiles the command into executables with Bun. @module */

import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { declaredPackages, installedPackages, packageOfModule, pathInNodeModules } from "./packages.ts";
import { output } from "./programs.ts";

/** The platforms, by Bun's names for them without the prefix `bun-`. */
export const TARGETS = [
  "linux-x64",
  "linux-arm64",
  "linux-x64-musl",
  "linux-arm64-musl",
  "darwin-x64",
  "darwin-arm64",
] as const;

/** A platform for which there is an executable. */
export type Target = typeof TARGETS[number];

/** The name of the executable. It is in the bytes of the executable, too. */
export const EXECUTABLE = "taskrunner";

/**
 * Flags of the bundler. Names stay and source maps are included, so that a stack trace names functions and lines of the
 * sources. Bytecode halves the start-up time.
 */
const BUNDLE_FLAGS = ["--format=esm", "--minify-syntax", "--minify-whitespace", "--sourcemap"];

/**
 * Flags of the compiler. Without them, the executable would read `.env`, and load the modules that a `bunfig.toml` names,
 * in every directory in which it starts.
 */
const COMPILE_FLAGS = ["--compile", "--bytecode", "--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"];

const ENTRY = "executable.ts";
const METAFILE = "metafile.json";

/** A directory with everything that an executable consists of, and nothing else. */
export interface ExecutableSources {
  directory: string;
  /** The names of the packages of which an executable contains code. */
  packages: ReadonlySet<string>;
}

/**
 * Prepares the sources of the executables in an empty directory: the modules, an entry, and copies of the packages. Bun
 * writes the paths of modules relative to the directory into an executable; with copies, they are the same everywhere.
 *
 * @param modules the directory with the modules of the package.
 */
export async function prepareExecutables(directory: string, modules: string): Promise<ExecutableSources> {
  await cp(modules, directory, { recursive: true });
  const { required, optional } = await declaredPackages();
  for (const { directory: source } of (await installedPackages([...required, ...optional])).values()) {
    await cp(source, join(directory, "node_modules", pathInNodeModules(source)), {
      recursive: true,
      dereference: true,
      filter: (path) => !/\.(?:map|d\.[cm]?ts)$/.test(path),
    });
  }
  await writeFile(join(directory, ENTRY), entryModule(optional));
  await output("bun", ["build", ...BUNDLE_FLAGS, "--target=bun", `--metafile=${METAFILE}`, "--outdir=bundle", ENTRY], {
    cwd: directory,
  });
  const { inputs }: { inputs: Record<string, unknown> } = JSON.parse(await readFile(join(directory, METAFILE), "utf8"));
  await rm(join(directory, "bundle"), { recursive: true });
  await rm(join(directory, METAFILE));
  const packages = Object.keys(inputs).map(packageOfModule).filter((name) => name !== undefined);
  return { directory, packages: new Set(packages) };
}

/** Returns the entry of an executable: the command, and imports of optional packages that the bundler can follow. */
function entryModule(packages: readonly string[]): string {
  const imports = packages.map((name) => `  ${JSON.stringify(name)}: () => import(${JSON.stringify(name)}),\n`);
  return `import process from "node:process";
import { runCommandLine } from "./cli.ts";
import { addContainedPackages } from "./system/npm_package.ts";

addContainedPackages({
${imports.join("")}});
runCommandLine().catch((error) => {
  console.error(error);
  process.exit(255);
});
`;
}

/** Compiles the executable for a platform into an empty or missing directory. Returns its path. */
export async function compileExecutable(
  { directory }: ExecutableSources,
  target: Target,
  outputDirectory: string,
): Promise<string> {
  await mkdir(outputDirectory, { recursive: true });
  const path = join(outputDirectory, EXECUTABLE);
  const args = ["build", ...BUNDLE_FLAGS, ...COMPILE_FLAGS, `--target=bun-${target}`, "--outfile", path, ENTRY];
  await output("bun", args, { cwd: directory });
  await rm(`${path}.map`, { force: true }); // the executable contains the source map
  return path;
}

/** Returns the platform of this process. */
export function hostTarget(): Target {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  const isMusl = process.platform === "linux" && report?.header?.glibcVersionRuntime === undefined;
  const target = `${process.platform}-${process.arch}${isMusl ? "-musl" : ""}`;
  const known = TARGETS.find((name) => name === target);
  if (known === undefined) {
    throw new Error(`Cannot compile an executable: ${target} is not one of ${TARGETS.join(", ")}`);
  }
  return known;
}

/** Returns the version of Bun, which is part of the executables. */
export async function bunVersion(directory: string): Promise<string> {
  return (await output("bun", ["--version"], { cwd: directory })).stdout.trim();
}
