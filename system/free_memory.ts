import { readFileSync } from "node:fs";
import os from "node:os";
import { dirname } from "node:path";
import process from "node:process";

/** How the two versions of control groups say what memory a group may use and does use. */
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
 * How much memory, in bytes, can be taken without swapping: what the system has, or what the control group of this process
 * leaves, as in a container, if that is less. Files that the system can forget again do not count as used.
 *
 * @param root where `/proc` and `/sys` are.
 * @throws the error of the system when it does not say.
 */
export function freeMemoryBytes(root = ""): number {
  if (process.platform !== "linux") return os.freemem();
  const [, kibibytes] = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync(`${root}/proc/meminfo`, "latin1")) ?? [];
  const read = (path: string): string | undefined => {
    try {
      return readFileSync(`${root}${path}`, "latin1");
    } catch {
      return undefined; // there is no such group, or it is the root of all
    }
  };
  if (kibibytes === undefined) throw new Error("/proc/meminfo has no MemAvailable, as before Linux 3.14");
  let freeBytes = Number(kibibytes) * 1024;
  const membership = read("/proc/self/cgroup") ?? "";
  for (const { line, directory, limits, usage, cache } of CONTROL_GROUPS) {
    // Each group is within the one above it. In a container the upper ones may not be there.
    for (
      let group = line.exec(membership)?.[1];
      group !== undefined;
      group = group === "/" ? undefined : dirname(group)
    ) {
      const path = group === "/" ? directory : directory + group;
      const used = Number(read(`${path}/${usage}`));
      if (Number.isNaN(used)) continue;
      const forgettable = Number(cache.exec(read(`${path}/memory.stat`) ?? "")?.[1] ?? 0);
      for (const limit of limits) {
        const limitBytes = Number(read(`${path}/${limit}`)); // NaN for "max"
        if (limitBytes >= 0) freeBytes = Math.min(freeBytes, limitBytes - used + forgettable);
      }
    }
  }
  return freeBytes;
}
