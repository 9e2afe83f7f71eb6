import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import process from "node:process";
import { isPermitted } from "./deno_permissions.ts";
import { statFields } from "./process_stat.ts";
import { systemCode } from "./system_error.ts";

/** A process that is not a zombie. */
export interface RunningProcess {
  pid: number;
  parentPid: number;
  groupId: number;
  /**
   * Start time, in clock ticks since boot or in seconds since 1970. With the pid it identifies the process even if the pid
   * is reused.
   */
  startTicks: number;
}

/** Running processes by the id of their group. */
export type ProcessGroups = ReadonlyMap<number, readonly RunningProcess[]>;

/** Access to the processes of this machine. */
export interface ProcessList {
  /**
   * Reads all running processes, in time proportional to their number. Returns `undefined` where processes cannot be listed.
   */
  scan(): ProcessGroups | undefined | Promise<ProcessGroups | undefined>;
  /**
   * Returns whether a process is running. Zombies count as ended, as do processes that this one cannot see. Returns
   * `undefined` without access to `/proc`; {@linkcode scan} may tell then.
   *
   * @param startTicks Start time of the expected process, to detect a reused pid.
   */
  isRunning(pid: number, startTicks?: number): boolean | undefined;
  /** Returns whether a process ignores or catches SIGTERM; `undefined` without access to `/proc`. */
  handlesSigterm(pid: number): boolean | undefined;
  /** Returns the children of a process, with zombies; `undefined` where the system does not list them. */
  children(pid: number): RunningProcess[] | undefined;
}

const TERM_BIT = 1n << 14n;

/** The processes in `/proc` or, on systems without it such as macOS, in the output of ps(1). */
export const PROCESSES: ProcessList = {
  scan() {
    return hasProc() ? scanProc() : scanPs();
  },
  isRunning(pid, startTicks) {
    if (!hasProc()) return undefined;
    try {
      const process = read(pid);
      return process !== undefined && (startTicks === undefined || process.startTicks === startTicks);
    } catch {
      return true; // out of descriptors: assume that it runs
    }
  },
  handlesSigterm(pid) {
    if (!hasProc()) return undefined;
    try {
      const status = readFileSync(`/proc/${pid}/status`, "latin1");
      return [...status.matchAll(/^Sig(?:Ign|Cgt):\s*(\w+)$/gm)].some(([, set]) => BigInt(`0x${set}`) & TERM_BIT);
    } catch {
      return false;
    }
  },
  children(pid) {
    if (!hasProc()) return undefined;
    try {
      const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter((child) =>
        child !== ""
      );
      return pids.map((child) => readAny(Number(child))).filter((child) => child !== undefined);
    } catch {
      return undefined;
    }
  },
};

let isMounted: boolean | undefined;

/** Returns whether `/proc` lists the processes that this one can signal, and is not empty or that of another container. */
function hasProc(): boolean {
  if (!isPermitted({ name: "read", path: "/proc" })) return false;
  try {
    return isMounted ??= readlinkSync("/proc/self") === `${process.pid}`;
  } catch (error) {
    return !["ENOENT", "EINVAL"].includes(systemCode(error) ?? "");
  }
}

function scanProc(): ProcessGroups | undefined {
  try {
    const pids = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry)).map(Number);
    return groupProcesses(pids.map(read).filter((process) => process !== undefined));
  } catch {
    return undefined;
  }
}

/** Columns that the ps of Linux, macOS and the BSDs have. In the C locale and UTC, `lstart` is a date that parses. */
const PS_COLUMNS = ["pid", "ppid", "pgid", "state", "lstart"];
const PS_LINE = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\w)\S*\s+(.+?)\s*$/;

async function scanPs(): Promise<ProcessGroups | undefined> {
  if (!isPermitted({ name: "run", command: "ps" }, { name: "env" })) return undefined;
  const { execFile } = await import("node:child_process"); // which takes Bun as long to load as an empty program
  const output = await new Promise<string>((resolve) => {
    const env = { ...process.env, LC_ALL: "C", TZ: "UTC0" };
    const args = ["-A", ...PS_COLUMNS.flatMap((column) => ["-o", `${column}=`])];
    execFile("ps", args, { env, maxBuffer: Infinity }, (error, stdout) => resolve(error ? "" : stdout));
  }).catch(() => "");
  const running = parsePs(output);
  const isOwn = ({ pid, parentPid }: RunningProcess) => pid === process.pid && parentPid === process.ppid;
  return running.some(isOwn) ? groupProcesses(running) : undefined;
}

/** Returns the processes in the output of ps, without zombies. */
export function parsePs(output: string): RunningProcess[] {
  return output.split("\n").flatMap((line) => {
    const [, pid, parentPid, groupId, state, started] = PS_LINE.exec(line) ?? [];
    const startTicks = Date.parse(`${started} UTC`) / 1_000;
    if (state === undefined || state === "Z" || Number.isNaN(startTicks)) return [];
    return { pid: Number(pid), parentPid: Number(parentPid), groupId: Number(groupId), startTicks };
  });
}

function groupProcesses(processes: readonly RunningProcess[]): ProcessGroups {
  const groups = new Map<number, RunningProcess[]>();
  for (const process of processes) {
    const members = groups.get(process.groupId);
    if (members) members.push(process);
    else groups.set(process.groupId, [process]);
  }
  return groups;
}

/** Error codes for a process that has ended, and for a hidden process of another user. */
const INACCESSIBLE = ["ENOENT", "ESRCH", "EACCES", "EPERM"];

/** Returns a process that has not ended. */
function read(pid: number): RunningProcess | undefined {
  return readAny(pid, (state) => state !== "Z" && state !== "X");
}

function readAny(pid: number, accepts: (state: string) => boolean = () => true): RunningProcess | undefined {
  try {
    const fields = statFields(`/proc/${pid}`);
    if (!accepts(fields[0]!)) return undefined;
    return { pid, parentPid: Number(fields[1]), groupId: Number(fields[2]), startTicks: Number(fields[19]) };
  } catch (error) {
    if (INACCESSIBLE.includes(systemCode(error) ?? "")) return undefined;
    throw error;
  }
}
