import { readdirSync, readFileSync } from "node:fs";
import os from "node:os";
import process from "node:process";

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
    const directory = `${proc}/${entry}`;
    try {
      const stat = statOf(directory);
      if (stat.flags & KERNEL_THREAD) continue;
      const threads = stat.threads === 1 ? [stat] : readdirSync(`${directory}/task`).map((thread) => {
        return statOf(`${directory}/task/${thread}`);
      });
      load += threads.filter(({ state }) => state === "R" || state === "D").length;
    } catch {
      // It has ended meanwhile.
    }
  }
  return load;
}

function statOf(directory: string): { state: string; flags: number; threads: number } {
  const stat = readFileSync(`${directory}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the name before it may hold anything
  return { state: fields[0]!, flags: Number(fields[6]), threads: Number(fields[17]) };
}
