/** Measures work in a program that holds memory, as a large program would. @module */

import process from "node:process";

const CHUNK_BYTES = 1024 * 1024;

/** Elapsed time and CPU time of the work, without the allocation of the memory. */
export interface Measured {
  seconds: number;
  cpuMs: number;
}

/** Allocates memory, does the work while holding it, and prints the {@linkcode Measured} times as JSON. */
export async function measureWithMemory(megabytes: number, work: () => Promise<unknown>): Promise<void> {
  // Writes to the memory, as the system allocates pages only at the first write.
  const held = Array.from({ length: megabytes }, (_, index) => new Uint8Array(CHUNK_BYTES).fill(index % 255 + 1));
  const [startedMs, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  const measured: Measured = { seconds: (performance.now() - startedMs) / 1000, cpuMs: (user + system) / 1000 };
  if (held.some((chunk, index) => chunk[0] !== index % 255 + 1)) throw new Error("The memory was not held");
  console.log(JSON.stringify(measured));
}
