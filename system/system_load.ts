import { readdirSync } from "node:fs";
import os from "node:os";
import process from "node:process";
import { NO_PROC, statFields } from "./process_stat.ts";
import { systemCode } from "./system_error.ts";

/** `PF_KTHREAD` in the flags of a process. */
const KERNEL_THREAD = 0x0020_0000;

/**
 * Returns the instantaneous load, as GNU parallel computes it: the number of threads that are runnable or in
 * uninterruptible sleep, without those of this program. In a container, only the threads of the container count. On
 * systems other than Linux, returns the load average of one minute.
 *
 * @param proc Directory of the proc file system.
 * @throws `Error` when the load cannot be determined.
 */
export function systemLoad(proc = "/proc"): number {
  if (process.platform !== "linux") return os.loadavg()[0]!;
  const pids = unlessMissing(() => readdirSync(proc).map(Number).filter((pid) => pid > 0));
  if (!pids?.includes(process.pid)) throw new Error(NO_PROC);
  let load = 0;
  for (const entry of pids) {
    if (entry === process.pid) continue;
    const first = readStat(`${proc}/${entry}`);
    if (!first || first.flags & KERNEL_THREAD) continue;
    for (const { state } of first.threads === 1 ? [first] : readThreads(`${proc}/${entry}`)) {
      if (state === "R" || state === "D") load++;
    }
  }
  return load;
}

interface Stat {
  state: string;
  flags: number;
  threads: number;
}

function readThreads(directory: string): Stat[] {
  const threads = unlessMissing(() => readdirSync(`${directory}/task`)) ?? [];
  return threads.map((thread) => readStat(`${directory}/task/${thread}`)).filter((stat) => stat !== undefined);
}

function readStat(directory: string): Stat | undefined {
  const fields = unlessMissing(() => statFields(directory));
  return fields && { state: fields[0]!, flags: Number(fields[6]), threads: Number(fields[17]) };
}

function unlessMissing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes(systemCode(error) ?? "")) return undefined;
    throw error;
  }
}
