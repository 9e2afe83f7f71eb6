import { readdirSync, readFileSync } from "node:fs";
import { isPermitted } from "./deno_permissions.ts";
import { statFields } from "./process_stat.ts";
import { systemCode } from "./system_error.ts";

/** A process that is no zombie. */
export interface RunningProcess {
  pid: number;
  parentPid: number;
  groupId: number;
  /** When it was started, in ticks of the system's clock. Together with the pid it tells the process from all others. */
  startTicks: number;
}

/** Running processes by the id of their group. */
export type ProcessGroups = ReadonlyMap<number, readonly RunningProcess[]>;

/** The processes of this machine. Only Linux shows them. */
export interface ProcessList {
  /** Reads all running processes, in time proportional to their number; `undefined` where they cannot be seen. */
  scan(): ProcessGroups | undefined;
  /**
   * Returns whether a process runs, zombies not included. A process that cannot be seen does not.
   *
   * @param startTicks tells it from a later process of the same pid.
   */
  isRunning(pid: number, startTicks?: number): boolean;
  /** Returns whether a process ignores or catches SIGTERM. */
  withstandsTerm(pid: number): boolean;
}

const TERM_BIT = 1n << 14n;

/** The processes that `/proc` shows. */
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
      return true; // there is no descriptor to read it with
    }
  },
  withstandsTerm(pid) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "latin1");
      return [...status.matchAll(/^Sig(?:Ign|Cgt):\s*(\w+)$/gm)].some(([, set]) => BigInt(`0x${set}`) & TERM_BIT);
    } catch {
      return false;
    }
  },
};

/** The errors for a process that has gone, and for one of another user where those are hidden. */
const NOT_THERE = ["ENOENT", "ESRCH", "EACCES", "EPERM"];

function read(pid: number): RunningProcess | undefined {
  try {
    const fields = statFields(`/proc/${pid}`);
    if (fields[0] === "Z" || fields[0] === "X") return undefined;
    return { pid, parentPid: Number(fields[1]), groupId: Number(fields[2]), startTicks: Number(fields[19]) };
  } catch (error) {
    if (NOT_THERE.includes(systemCode(error) ?? "")) return undefined;
    throw error;
  }
}
