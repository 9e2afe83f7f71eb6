import { readFileSync } from "node:fs";

/** Returns the peak resident memory of a process in MiB, or 0 if it has ended. */
export function peakMemoryMiB(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}
