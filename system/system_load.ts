import { readdirSync } from "node:fs";
import os from "node:os";
import process from "node:process";
import { statFields } from "./process_stat.ts";
import { systemCode } from "./system_error.ts";

/** Of the flags of a process: it belongs to the kernel. */
const KERNEL_THREAD = 0x0020_0000;

/**
 * How many threads want a CPU or wait for a disk at this instant, this program aside; as GNU parallel counts it. Only what
 * `/proc` shows is seen: in a container that is the container. Other systems than Linux give the mean of a minute.
 *
 * @param proc where the processes are.
 * @throws the error of the system when it does not say.
 */
export function systemLoad(proc = "/proc"): number {
  if (process.platform !== "linux") return os.loadavg()[0]!;
  let load = 0;
  for (const entry of readdirSync(proc)) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    const first = statOf(`${proc}/${entry}`);
    if (!first || first.flags & KERNEL_THREAD) continue;
    for (const { state } of first.threads === 1 ? [first] : threadsOf(`${proc}/${entry}`)) {
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

function threadsOf(directory: string): Stat[] {
  const threads = unlessEnded(() => readdirSync(`${directory}/task`)) ?? [];
  return threads.map((thread) => statOf(`${directory}/task/${thread}`)).filter((stat) => stat !== undefined);
}

function statOf(directory: string): Stat | undefined {
  const fields = unlessEnded(() => statFields(directory));
  return fields && { state: fields[0]!, flags: Number(fields[6]), threads: Number(fields[17]) };
}

function unlessEnded<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes(systemCode(error) ?? "")) return undefined;
    throw error;
  }
}
