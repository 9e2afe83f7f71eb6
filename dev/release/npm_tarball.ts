/** Builds the tarball that `npm publish` publishes. @module */

import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildNpmPackage } from "../tools/npm_package.ts";
import { packageName, type ReleaseNames, renamed, withVersion } from "./names.ts";
import { output } from "./programs.ts";

/** Options of {@linkcode packNpmTarball}. */
export interface TarballOptions extends ReleaseNames {
  /** The date of the version. */
  date: string;
  /** The URL of the repository, which npm compares with the repository that the provenance names. */
  repository?: string | undefined;
}

/**
 * Builds the package in an empty or missing directory, which it removes in the end, and packs it into another directory.
 * `npm pack` sets the times and owners of all files, so the same files make the same bytes. Returns the name of the
 * tarball.
 */
export async function packNpmTarball(build: string, destination: string, options: TarballOptions): Promise<string> {
  await buildNpmPackage(build);
  for (const name of await readdir(build, { recursive: true })) {
    const path = join(build, name);
    if ((await stat(path)).isDirectory()) continue;
    const text = renamed(await readFile(path, "utf8"), options);
    const isVersion = /^text[/\\]version\.(?:js|d\.ts)$/.test(name);
    await writeFile(path, isVersion ? withVersion(text, options.version, options.date) : text);
  }
  const path = join(build, "package.json");
  const manifest = JSON.parse(await readFile(path, "utf8"));
  manifest.name = packageName(options);
  manifest.version = options.version;
  if (options.repository !== undefined) manifest.repository = { type: "git", url: `git+${options.repository}.git` };
  await writeFile(path, `${JSON.stringify(manifest, undefined, 2)}\n`);
  const args = ["pack", "--json", "--ignore-scripts", "--pack-destination", destination];
  const [{ filename }] = JSON.parse((await output("npm", args, { cwd: build })).stdout);
  await rm(build, { recursive: true });
  return filename;
}
