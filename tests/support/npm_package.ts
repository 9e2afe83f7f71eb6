/** The package for npm, built once for the tests of a file. */

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { buildNpmPackage, packNpmPackage } from "../../dev/release/npm_package.ts";
import type { ServedPackage } from "./npm_registry.ts";

/** The package for npm. */
export interface BuiltPackage extends ServedPackage {
  /** The directory of the package. */
  directory: string;
}

let built: Promise<BuiltPackage> | undefined;
let temporary: string | undefined;
after(() => temporary === undefined ? undefined : rm(temporary, { recursive: true }));

/** Returns the package for npm. */
export function npmPackage(): Promise<BuiltPackage> {
  return built ??= build();
}

async function build(): Promise<BuiltPackage> {
  temporary = await mkdtemp(join(tmpdir(), "taskrunner-test-"));
  const directory = join(temporary, "package");
  await buildNpmPackage(directory);
  const manifest = JSON.parse(await readFile(join(directory, "package.json"), "utf8"));
  return { directory, manifest, tarball: await packNpmPackage(directory, temporary) };
}
