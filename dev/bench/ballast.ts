/** Work in a program that holds memory, as a large one would. @module */

import process from "node:process";

const CHUNK_BYTES = 1024 * 1024;

/** How long the work took, without what came before it, and the CPU time of the program meanwhile. */
export interface Measured {
  seconds: number;
  cpuMs: number;
}

/** Takes memory, does the work while it is held, and prints what that took as JSON. */
export async function measureWithMemory(megabytes: number, work: () => Promise<unknown>): Promise<void> {
  // Written to, as otherwise the system would only promise it.
  const held = Array.from({ length: megabytes }, (_, index) => new Uint8Array(CHUNK_BYTES).fill(index % 255 + 1));
  const [startedMs, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  const measured: Measured = { seconds: (performance.now() - startedMs) / 1000, cpuMs: (user + system) / 1000 };
  if (held.some((chunk, index) => chunk[0] !== index % 255 + 1)) throw new Error("The memory was not held");
  console.log(JSON.stringify(measured));
}
