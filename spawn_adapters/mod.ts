/** Starts processes on Deno, Bun and Node through one interface. @module */

import type { SpawnAdapter } from "./types.ts";

export type { ChildProcess, ExitStatus, InputWriter, OutputReader, SpawnAdapter, SpawnOptions } from "./types.ts";

/**
 * Returns the spawn adapter of the current runtime: that of Deno or Bun if the global of that name exists, otherwise
 * that of Node.
 */
export async function defaultSpawnAdapter(): Promise<SpawnAdapter> {
  const { spawnAdapter } = "Deno" in globalThis
    ? await import("./deno.ts")
    : "Bun" in globalThis
    ? await import("./bun.ts")
    : await import("./node.ts");
  return spawnAdapter;
}
