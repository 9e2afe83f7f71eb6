import { readdirSync, readFileSync } from "node:fs";
import { isPermitted } from "./deno_permissions.ts";
import { statFields } from "./process_stat.ts";
import { systemCode } from "./system_error.ts";

/** A process that is not a zombie. */
export interface RunningProcess {
  pid: number;
  parentPid: number;
  groupId: number;
  /** Start time in clock ticks since boot. With the pid it identifies the process even if the pid is reused. */
  startTicks: number;
}

/** Running processes by the id of their group. */
export type ProcessGroups = ReadonlyMap<number, readonly RunningProcess[]>;

/** Access to the processes of this machine; only Linux provides it. */
export interface ProcessList {
  /**
   * Reads all running processes, in time proportional to their number. Returns `undefined` without access to `/proc`.
   */
  scan(): ProcessGroups | undefined;
  /**
   * Returns whether a process is running. Zombies count as ended, as do processes that this one cannot see.
   *
   * @param startTicks Start time of the expected process, to detect a reused pid.
   */
  isRunning(pid: number, startTicks?: number): boolean;
  /** Returns whether a process ignores or catches SIGTERM. */
  handlesSigterm(pid: number): boolean;
}

const TERM_BIT = 1n << 14n;

/** The processes in `/proc`. */
export const PROCESSES: ProcessList = {
  scan() {
    if (!isPermitted({ name: "read", path: "/proc" })) return undefined;
    const groups = new Map<number, RunningProcess[]>();
    try {
      for (const entry of readdirSync("/proc")) {
        const process = /^\d+$/.test(entry) ? read(Number(entry)) : undefined;
        if (!process) continue;
        const members = groups.get(process.groupId);
        if (members) members.push(process);
        else groups.set(process.groupId, [process]);
      }
      return groups;
    } catch {
      return undefined;
    }
  },
  isRunning(pid, startTicks) {
    if (!isPermitted({ name: "read", path: "/proc" })) return false;
    try {
      const process = read(pid);
      return process !== undefined && (startTicks === undefined || process.startTicks === startTicks);
    } catch {
      return true; // out of descriptors: assume that it runs
    }
  },
  handlesSigterm(pid) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "latin1");
      return [...status.matchAll(/^Sig(?:Ign|Cgt):\s*(\w+)$/gm)].some(([, set]) => BigInt(`0x${set}`) & TERM_BIT);
    } catch {
      return false;
    }
  },
};

/** Error codes for a process that has ended, and for a hidden process of another user. */
const INACCESSIBLE = ["ENOENT", "ESRCH", "EACCES", "EPERM"];

function read(pid: number): RunningProcess | undefined {
  try {
    const fields = statFields(`/proc/${pid}`);
    if (fields[0] === "Z" || fields[0] === "X") return undefined;
    return { pid, parentPid: Number(fields[1]), groupId: Number(fields[2]), startTicks: Number(fields[19]) };
  } catch (error) {
    if (INACCESSIBLE.includes(systemCode(error) ?? "")) return undefined;
    throw error;
  }
}
