/** Chooses the spawn adapter of the runtime this runs in. @module */

import type { SpawnAdapter } from "./types.ts";

export type { ChildProcess, ExitStatus, InputWriter, OutputReader, SpawnAdapter, SpawnOptions } from "./types.ts";

/** The spawn adapter of this runtime, found by feature: `Deno`, then `Bun`, else Node. */
export async function defaultSpawnAdapter(): Promise<SpawnAdapter> {
  const { spawnAdapter } = "Deno" in globalThis
    ? await import("./deno.ts")
    : "Bun" in globalThis
    ? await import("./bun.ts")
    : await import("./node.ts");
  return spawnAdapter;
}
