import { existsSync, readFileSync } from "node:fs";
import os from "node:os";
import { dirname } from "node:path";
import process from "node:process";
import { NO_PROC } from "./process_stat.ts";

/** Files with the memory limit and usage of a group, for cgroup v2 and v1. */
const CONTROL_GROUPS = [
  {
    line: /^0::(\/.*)$/m,
    directory: "/sys/fs/cgroup",
    limits: ["memory.max", "memory.high"],
    usage: "memory.current",
    cache: /^inactive_file (\d+)$/m,
  },
  {
    line: /^\d+:(?:\S*,)?memory(?:,\S*)?:(\/.*)$/m,
    directory: "/sys/fs/cgroup/memory",
    limits: ["memory.limit_in_bytes"],
    usage: "memory.usage_in_bytes",
    cache: /^total_inactive_file (\d+)$/m,
  },
];

/**
 * Returns the number of bytes that can be allocated without swapping: the minimum of what the system and each control
 * group of this process, for instance that of a container, have available. Reclaimable file cache counts as available.
 *
 * @param root Directory that contains `/proc` and `/sys`.
 * @throws `Error` when the amount cannot be determined.
 */
export function freeMemoryBytes(root = ""): number {
  if (process.platform !== "linux") return os.freemem();
  const read = (path: string): string | undefined => {
    try {
      // An error costs more than all other files together.
      return existsSync(`${root}${path}`) ? readFileSync(`${root}${path}`, "latin1") : undefined;
    } catch {
      return undefined;
    }
  };
  const memory = read("/proc/meminfo");
  if (memory === undefined) throw new Error(NO_PROC);
  const [available, total] = ["MemAvailable", "MemTotal"].map((name) =>
    new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(memory)?.[1]
  );
  if (available === undefined) throw new Error("/proc/meminfo has no MemAvailable; it needs Linux 3.14");
  let freeBytes = Number(available) * 1024;
  const totalBytes = total === undefined ? Infinity : Number(total) * 1024;
  const membership = read("/proc/self/cgroup") ?? "";
  for (const { line, directory, limits, usage, cache } of CONTROL_GROUPS) {
    // The limits of all ancestors apply. In a container some of the ancestors may be hidden.
    for (
      let group = line.exec(membership)?.[1];
      group !== undefined;
      group = group === "/" ? undefined : dirname(group)
    ) {
      const path = group === "/" ? directory : directory + group;
      const limitBytes = Math.min(...limits.map((limit) => bytesOf(read(`${path}/${limit}`))));
      // The group cannot use more than the memory of the system. Reading its usage and statistics takes the most time.
      if (limitBytes - totalBytes >= freeBytes) continue;
      const usedBytes = bytesOf(read(`${path}/${usage}`));
      if (usedBytes === Infinity) continue;
      const reclaimableBytes = Number(cache.exec(read(`${path}/memory.stat`) ?? "")?.[1] ?? 0);
      freeBytes = Math.min(freeBytes, limitBytes - usedBytes + reclaimableBytes);
    }
  }
  return freeBytes;
}

/** Returns the number in a file of a control group, or `Infinity` for `max`, or without the file, as in the root group. */
function bytesOf(text: string | undefined): number {
  return /^\d+$/m.test(text ?? "") ? Number(text) : Infinity;
}
