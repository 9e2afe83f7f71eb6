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
      return readFileSync(`${root}${path}`, "latin1");
    } catch {
      return undefined; // the group is missing, or is the root group, which has no limits
    }
  };
  if (!existsSync(`${root}/proc/meminfo`)) throw new Error(NO_PROC);
  const [, kibibytes] = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync(`${root}/proc/meminfo`, "latin1")) ?? [];
  if (kibibytes === undefined) throw new Error("/proc/meminfo has no MemAvailable; it needs Linux 3.14");
  let freeBytes = Number(kibibytes) * 1024;
  const membership = read("/proc/self/cgroup") ?? "";
  for (const { line, directory, limits, usage, cache } of CONTROL_GROUPS) {
    // The limits of all ancestors apply. In a container some of the ancestors may be hidden.
    for (
      let group = line.exec(membership)?.[1];
      group !== undefined;
      group = group === "/" ? undefined : dirname(group)
    ) {
      const path = group === "/" ? directory : directory + group;
      const usedBytes = Number(read(`${path}/${usage}`));
      if (Number.isNaN(usedBytes)) continue;
      const reclaimableBytes = Number(cache.exec(read(`${path}/memory.stat`) ?? "")?.[1] ?? 0);
      for (const limit of limits) {
        const limitBytes = Number(read(`${path}/${limit}`)); // NaN for "max"
        if (limitBytes >= 0) freeBytes = Math.min(freeBytes, limitBytes - usedBytes + reclaimableBytes);
      }
    }
  }
  return freeBytes;
}
