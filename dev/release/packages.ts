/** Reads the npm packages that a release contains or installs, with their licenses. @module */

import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** The root directory of the project. */
export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** Licenses that permit distribution in an executable under the MIT license, when their text comes with it. */
const ALLOWED_LICENSES = ["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "Unlicense"];

/** A file with the terms of a license, or a notice that every copy must include. */
const TERMS = /^(?:licenses[/\\])?(?:license|notice|copying|unlicense)[^/\\]*$/i;

/** Packages that only some runs use: the command loads them on demand, and users of the library install them. */
export const OPTIONAL_PACKAGE = /^@(?:nats-io|opentelemetry)\//;

/** An installed package. */
export interface InstalledPackage {
  name: string;
  version: string;
  /** SPDX identifier. */
  license: string;
  /** The path of its directory. */
  directory: string;
  /** The packages that it needs, by their keys in the map of {@linkcode installedPackages}. */
  dependencies: string[];
}

interface PackageManifest {
  name: string;
  version: string;
  license: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

async function readManifest(directory: string): Promise<PackageManifest> {
  return JSON.parse(await readFile(join(directory, "package.json"), "utf8"));
}

/** Returns the packages with the given names and all that they need, by `name@version`. */
export async function installedPackages(
  names: readonly string[],
  from: string = ROOT,
  found: Map<string, InstalledPackage> = new Map(),
): Promise<Map<string, InstalledPackage>> {
  for (const name of names) {
    const directory = directoryOf(name, from);
    const { version, license, dependencies = {} } = await readManifest(directory);
    const key = `${name}@${version}`;
    if (found.has(key)) continue;
    const installed: InstalledPackage = { name, version, license, directory, dependencies: [] };
    found.set(key, installed);
    const needed = Object.keys(dependencies).sort();
    await installedPackages(needed, directory, found);
    installed.dependencies = await Promise.all(needed.map(async (other) => {
      return `${other}@${(await readManifest(directoryOf(other, directory))).version}`;
    }));
  }
  return found;
}

/** Returns the directory of a package that a module in a directory would import. */
function directoryOf(name: string, from: string): string {
  for (let directory = from;; directory = dirname(directory)) {
    const path = join(directory, "node_modules", name);
    if (existsSync(join(path, "package.json"))) return path;
    if (directory === dirname(directory)) throw new Error(`Cannot find the package ${name}: run npm ci`);
  }
}

/** The names of the packages of a release, by the way in which they reach its users. */
export interface ReleasePackages {
  /** Packages that every run needs. */
  required: string[];
  /** Packages for NATS and OpenTelemetry. The executables contain them; users of the other packages install them. */
  optional: string[];
  /** Packages whose code is in every report, and so in every form of the release. */
  inReports: string[];
}

/** Returns the names of the packages that the manifest declares. The packages that they need are not listed. */
export async function declaredPackages(root: string = ROOT): Promise<ReleasePackages> {
  const { dependencies = {}, devDependencies = {} } = await readManifest(root);
  const optional = Object.keys(devDependencies).filter((name) => OPTIONAL_PACKAGE.test(name));
  return { required: Object.keys(dependencies), optional, inReports: ["echarts"] };
}

/**
 * Returns the license texts and notices of a package.
 *
 * @throws `Error` when the package has no license text, or a license that is not allowed.
 */
export async function licenseTexts({ name, license, directory }: InstalledPackage): Promise<string[]> {
  if (!ALLOWED_LICENSES.includes(license)) {
    throw new Error(
      `Cannot release with ${name}: its license ${license} is not one of ${ALLOWED_LICENSES.join(", ")}`,
    );
  }
  const filesIn = async (path: string) => {
    const entries = existsSync(path) ? await readdir(path, { withFileTypes: true }) : [];
    return entries.filter((entry) => entry.isFile()).map(({ name }) => join(path, name));
  };
  const all = [...await filesIn(directory), ...await filesIn(join(directory, "licenses"))];
  const files = all.filter((path) => TERMS.test(relative(directory, path))).sort();
  if (files.length === 0) throw new Error(`Cannot release with ${name}: it has no license file`);
  const texts = files.map((path) => readFile(path, "utf8"));
  return (await Promise.all(texts)).map((text) => text.replaceAll("\r\n", "\n").trim());
}

/** Returns the name of the package that a module is part of; `undefined` for a module of the project. */
export function packageOfModule(path: string): string | undefined {
  return /.*(?:^|[/\\])node_modules[/\\]((?:@[^/\\]+[/\\])?[^/\\]+)/.exec(path)?.[1]?.replaceAll("\\", "/");
}

/** Returns the path of a package below a directory of packages, such as `@nats-io/jetstream`. */
export function pathInNodeModules(directory: string): string {
  const [root] = directory.split(/[/\\]node_modules[/\\]/);
  return relative(join(root!, "node_modules"), directory);
}
