import { readFileSync } from "node:fs";

/** The most memory a process has had, in MiB, which the kernel keeps; 0 when it has gone. */
export function peakMemoryMiB(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}
