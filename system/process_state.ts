/** Queries to Linux about running processes. @module */

import { readFileSync } from "node:fs";
import { isPermitted } from "./deno_permissions.ts";
import { statFields } from "./process_stat.ts";

/** Returns whether a process has ended and was not reaped yet; `undefined` where that cannot be seen. */
export function isZombie(pid: number): boolean | undefined {
  return look(pid, () => isZombieNow(pid));
}

/** Returns whether a process has no child that has not ended; `undefined` where that cannot be seen. */
export function isWithoutChild(pid: number): boolean | undefined {
  return look(pid, () => {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ");
    return children.every((child) => child === "" || isZombieNow(Number(child)));
  });
}

function isZombieNow(pid: number): boolean {
  return statFields(`/proc/${pid}`)[0] === "Z";
}

function look(pid: number, ask: () => boolean): boolean | undefined {
  try {
    return isPermitted({ name: "read", path: `/proc/${pid}` }) ? ask() : undefined;
  } catch {
    return undefined; // there is no such file, or it has gone meanwhile
  }
}
