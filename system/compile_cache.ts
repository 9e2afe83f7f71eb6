import { mkdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import process from "node:process";

/**
 * Lets Node or Bun keep the compiled modules of this program in the cache directory of the user, which saves two thirds of
 * a start from source on Node. Does nothing on Deno, or when other users could change the directory.
 *
 * @param name The name of the subdirectory.
 */
export function enableCompileCache(name: string): void {
  if ("Deno" in globalThis) return; // it has its own cache
  const module = process.getBuiltinModule("node:module");
  if (module.getCompileCacheDir() !== undefined) return; // the user has chosen a directory
  try {
    const directory = join(cacheHome(), name);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (isPrivate(directory)) module.enableCompileCache(directory);
  } catch {
    // The program starts without a cache, as it did before.
  }
}

/**
 * Returns the directory for caches.
 *
 * @throws `Error` when there is none, or the user does not own the directory above.
 */
function cacheHome(): string {
  const base = process.env["XDG_CACHE_HOME"];
  const path = base && isAbsolute(base) ? base : join(homedir(), ".cache");
  // After sudo, HOME may be that of another user, who could not write to a directory that root creates there.
  if (statSync(dirname(path)).uid !== process.getuid!()) throw new Error(`Cannot use ${path}: another user owns it`);
  return path;
}

/** Returns whether only this user can write to a directory. Others could replace the code that this program runs. */
function isPrivate(directory: string): boolean {
  const { uid, mode } = statSync(directory);
  return uid === process.getuid!() && (mode & 0o022) === 0;
}
