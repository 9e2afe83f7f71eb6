/**
 * Builds everything that a release publishes into a directory, and publishes nothing. `docs/publishing.md` describes the
 * steps before and after. Needs Node, npm, Deno and Bun, and npm's registry for the Bun of other platforms.
 *
 *     node dev/release/main.ts --scope acme --version 1.2.3
 *
 * @module
 */

import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { tarGz } from "./archive.ts";
import { versionNotes } from "./changelog.ts";
import {
  bunVersion,
  compileExecutable,
  EXECUTABLE,
  type ExecutableSources,
  prepareExecutables,
  type Target,
  TARGETS,
} from "./executables.ts";
import { publishedFiles, writeJsrPackage } from "./jsr_package.ts";
import { checkScope, checkVersion, type ReleaseNames } from "./names.ts";
import { declaredPackages, installedPackages, ROOT } from "./packages.ts";
import { output } from "./programs.ts";
import { billOfMaterials } from "./sbom.ts";
import { IN_REPORTS, type ReleasedPackage, thirdParty } from "./third_party.ts";

/** Options of {@linkcode release}. */
export interface ReleaseOptions extends ReleaseNames {
  /** The directory to write to, which must be empty or missing. */
  directory: string;
  /** The platforms to compile executables for. */
  targets: readonly Target[];
  /** The URL of the repository, such as `https://github.com/acme/taskrunner`, for the provenance of the npm package. */
  repository?: string | undefined;
}

/**
 * Builds a release. The same sources and options make the same bytes, in any directory and at any time.
 *
 * @throws `RangeError` for a scope or version that the registries do not accept.
 * @throws `Error` when the directory is not empty, the changelog has no section for the version, a license is missing or
 * not allowed, or a program fails.
 */
export async function release({ directory, targets, repository, ...names }: ReleaseOptions): Promise<void> {
  checkScope(names.scope);
  const { version } = names;
  const { date, text } = versionNotes(await readFile(join(ROOT, "CHANGELOG.md"), "utf8"), checkVersion(version));
  await mkdir(directory, { recursive: true });
  if ((await readdir(directory)).length > 0) {
    throw new Error(`Cannot write to ${directory}: it is not empty; remove it, or name another directory with --out`);
  }
  const build = await mkdtemp(join(tmpdir(), "taskrunner-release-"));
  try {
    const jsr = join(directory, "jsr");
    await writeJsrPackage(jsr, names, date);
    const { packNpmTarball } = await import("./npm_tarball.ts"); // its compiler is native code, and slow to load
    await packNpmTarball(join(build, "npm"), directory, { ...names, date, repository });
    const sources = await prepareExecutables(join(build, "executable"), jsr);
    const [packages, bun] = await Promise.all([releasedPackages(sources), bunVersion(build)]);
    const { required } = await declaredPackages();
    const write = (name: string, content: string) => writeFile(join(directory, name), content);
    await write("jsr/THIRD_PARTY", await thirdParty(packages.filter(({ uses }) => uses.includes(IN_REPORTS))));
    await checkJsrPackage(jsr);
    await write("THIRD_PARTY", await thirdParty(packages, bun));
    await write(`taskrunner-${version}.cdx.json`, await billOfMaterials(names, date, packages, required, bun));
    for (const target of targets) {
      await writeExecutable(sources, target, build, directory, `taskrunner-${version}-${target}`, date);
    }
    await write("SHA256SUMS", await checksums(directory));
    await write("NOTES.md", text);
  } finally {
    await rm(build, { recursive: true, force: true });
  }
}

/** Throws if `deno publish` would leave out files of the package, for example because Git ignores them. */
async function checkJsrPackage(directory: string): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const published = await publishedFiles(directory, ["--no-check"]);
  if (published.length !== files.length) {
    throw new Error(`Cannot release: deno publish lists ${published.length} of the ${files.length} files for JSR`);
  }
}

/** Returns all packages of a release, in alphabetical order. */
async function releasedPackages({ packages: bundled }: ExecutableSources): Promise<ReleasedPackage[]> {
  const { required, optional, inReports } = await declaredPackages();
  const [always, onDemand, inPage] = await Promise.all([
    installedPackages(required),
    installedPackages(optional),
    installedPackages(inReports),
  ]);
  return [...new Map([...always, ...onDemand, ...inPage])].sort(([a], [b]) => a < b ? -1 : 1).map(([key, value]) => ({
    ...value,
    uses: [
      ...always.has(key) ? ["needed by every run"] : [],
      ...onDemand.has(key) ? ["needed for NATS or OpenTelemetry"] : [],
      ...bundled.has(value.name) ? ["in the executables"] : [],
      ...inPage.has(key) ? [IN_REPORTS] : [],
    ],
  }));
}

/** Compiles an executable, and puts it into an archive with the licenses. */
async function writeExecutable(
  sources: ExecutableSources,
  target: Target,
  build: string,
  directory: string,
  name: string,
  date: string,
): Promise<void> {
  const path = await compileExecutable(sources, target, join(build, target));
  const licenses = [[join(ROOT, "LICENSE"), "LICENSE"], [join(directory, "THIRD_PARTY"), "THIRD_PARTY"]] as const;
  const files = [
    { name: `${name}/${EXECUTABLE}`, bytes: await readFile(path), isExecutable: true },
    ...await Promise.all(licenses.map(async ([source, file]) => {
      return { name: `${name}/${file}`, bytes: await readFile(source) };
    })),
  ];
  await writeFile(join(directory, `${name}.tar.gz`), tarGz(files, new Date(`${date}T00:00:00Z`)));
  await rm(join(build, target), { recursive: true });
}

/** Returns the checksums of the files in a directory, in the form that `sha256sum --check` reads. */
async function checksums(directory: string): Promise<string> {
  const entries = await readdir(directory, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map(({ name }) => name).sort();
  const lines = await Promise.all(names.map(async (name) => {
    const hash = createHash("sha256").update(await readFile(join(directory, name))).digest("hex");
    return `${hash}  ${name}\n`;
  }));
  return lines.join("");
}

/** Returns the changes that are not committed in the working tree of a directory; nothing outside of Git. */
export async function uncommittedChanges(directory: string): Promise<string> {
  const git = (...args: string[]) => output("git", args, { cwd: directory });
  try {
    await git("rev-parse", "--is-inside-work-tree");
  } catch {
    return "";
  }
  return (await git("status", "--porcelain")).stdout.trimEnd();
}

/** Returns the options that the arguments of the command line state. */
export function readArguments(args: readonly string[]): ReleaseOptions & { allowsDirty: boolean } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      "scope": { type: "string" },
      "version": { type: "string" },
      "out": { type: "string", default: "dist" },
      "target": { type: "string", multiple: true },
      "repository": { type: "string" },
      "allow-dirty": { type: "boolean", default: false },
    },
  });
  const missing = (["scope", "version"] as const).filter((name) => values[name] === undefined);
  if (missing.length > 0) {
    throw new Error(`Missing ${missing.map((name) => `--${name}`).join(" and ")}: --scope acme --version 1.2.3`);
  }
  const targets = values.target?.map((name) => {
    const target = TARGETS.find((target) => target === name);
    if (target === undefined) throw new Error(`--target must be one of ${TARGETS.join(", ")}, not ${name}`);
    return target;
  });
  const { repository } = values;
  if (repository !== undefined && !/^https:\/\/[^\s?#]+[^\s?#/]$/.test(repository)) {
    throw new Error(`--repository must be a URL such as https://github.com/acme/taskrunner, not ${repository}`);
  }
  return {
    scope: checkScope(values.scope!),
    version: checkVersion(values.version!),
    directory: resolve(ROOT, values.out),
    targets: targets ?? TARGETS,
    repository: repository?.replace(/\.git$/, ""),
    allowsDirty: values["allow-dirty"],
  };
}

async function main(args: readonly string[]): Promise<void> {
  const { allowsDirty, ...options } = readArguments(args);
  const changes = allowsDirty ? "" : await uncommittedChanges(ROOT);
  if (changes !== "") {
    throw new Error(`Cannot release: commit these changes first, or give --allow-dirty for a trial\n${changes}`);
  }
  await release(options);
  process.stdout.write(await readFile(join(options.directory, "SHA256SUMS"), "utf8"));
}

if (import.meta.main) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    console.error(`release: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
