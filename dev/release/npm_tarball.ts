/** Builds the tarball that `npm publish` publishes. @module */

import { rm } from "node:fs/promises";
import { basename } from "node:path";
import { packageName, type ReleaseNames } from "./names.ts";
import { buildNpmPackage, packNpmPackage } from "./npm_package.ts";

/** Options of {@linkcode packNpmTarball}. */
export interface TarballOptions extends ReleaseNames {
  /** The date of the version. */
  date: string;
  /** The URL of the repository, which npm compares with the repository that the provenance names. */
  repository?: string | undefined;
}

/**
 * Builds the package in an empty or missing directory, which it removes in the end, and packs it into another directory.
 * Returns the name of the tarball.
 */
export async function packNpmTarball(build: string, destination: string, options: TarballOptions): Promise<string> {
  await buildNpmPackage(build, { ...options, name: packageName(options) });
  const tarball = await packNpmPackage(build, destination);
  await rm(build, { recursive: true });
  return basename(tarball);
}
