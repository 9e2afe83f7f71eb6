/** Queries about processes on Linux. @module */

import { readFileSync } from "node:fs";
import { isPermitted } from "./deno_permissions.ts";
import { statFields } from "./process_stat.ts";

/** Returns whether a process has ended but was not reaped; `undefined` if `/proc` does not tell. */
export function isZombie(pid: number): boolean | undefined {
  return query(pid, () => isZombieNow(pid));
}

/** Returns whether a process has no children except zombies; `undefined` if `/proc` does not tell. */
export function hasNoChildren(pid: number): boolean | undefined {
  return query(pid, () => {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ");
    return children.every((child) => child === "" || isZombieNow(Number(child)));
  });
}

function isZombieNow(pid: number): boolean {
  return statFields(`/proc/${pid}`)[0] === "Z";
}

function query(pid: number, ask: () => boolean): boolean | undefined {
  try {
    return isPermitted({ name: "read", path: `/proc/${pid}` }) ? ask() : undefined;
  } catch {
    return undefined; // no such file: another system, or the process has just ended
  }
}
