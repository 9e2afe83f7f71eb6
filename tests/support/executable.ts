/** Builds the executable of the command for tests. @module */

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { bunVersion, compileExecutable, hostTarget, prepareExecutables } from "../../dev/release/executables.ts";
import { writeJsrPackage } from "../../dev/release/jsr_package.ts";
import { PROJECT } from "./helpers.ts";

const CACHE = join(PROJECT, "node_modules", ".cache", "executable");

/**
 * Returns the path of the executable for this machine, compiled from the sources as they are. Reuses the executable of an
 * earlier run with the same sources.
 */
export async function buildExecutable(): Promise<string> {
  await mkdir(CACHE, { recursive: true });
  const build = await mkdtemp(join(CACHE, "build-"));
  try {
    const sources = join(build, "sources");
    await writeJsrPackage(sources, { scope: "acme", version: "0.1.0" }, "2026-11-29");
    const directory = join(CACHE, await hashOf(sources));
    if (!existsSync(directory)) {
      const prepared = await prepareExecutables(join(build, "executable"), sources);
      await compileExecutable(prepared, hostTarget(), join(build, "output"));
      for (const name of await readdir(CACHE)) {
        if (!name.startsWith("build-")) await rm(join(CACHE, name), { recursive: true });
      }
      await rename(join(build, "output"), directory);
    }
    return join(directory, "taskrunner");
  } finally {
    await rm(build, { recursive: true, force: true });
  }
}

/** Returns a hash of all that an executable consists of. */
async function hashOf(sources: string): Promise<string> {
  const hash = createHash("sha256").update(await bunVersion(PROJECT));
  const entries = await readdir(sources, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name)).sort();
  const tools = ["package-lock.json", "dev/release/executables.ts"].map((name) => join(PROJECT, name));
  for (const [index, file] of [...files, ...tools].entries()) {
    hash.update(`${index < files.length ? file.slice(sources.length) : ""}\0`).update(await readFile(file));
  }
  return hash.digest("hex").slice(0, 16);
}
