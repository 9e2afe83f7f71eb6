/** The environment of shell workers: what a shell makes of it when it starts, and how tasks get it as it was. @module */

import process from "node:process";
import { isPermitted } from "../../system/deno_permissions.ts";
import { REQUIRED_BUILTINS } from "./script.ts";

/** The environment of a worker, which tasks get as the runner has it. */
export interface WorkerEnvironment {
  /** False when no shell can be a worker in it, as far as can be told before one is started. */
  isUsable: boolean;
  /** Variables that the shell starts with instead of those of the runner. */
  startup: Readonly<Record<string, string>>;
  /** Variables that a worker sets, or unsets, when it has started: those of the runner. */
  restored: Readonly<Record<string, string | undefined>>;
}

/** Names of scripts that a shell runs when it starts. An empty one is none. */
const STARTUP_SCRIPTS = ["BASH_ENV", "ENV"];
/** Options for bash, with which it prints or does more than it is asked to. */
const OPTIONS = ["SHELLOPTS", "BASHOPTS"];

/** Finds out how a worker gets an environment. By default it is that of this process. */
export function workerEnvironment(env: NodeJS.ProcessEnv | undefined = ownEnvironment()): WorkerEnvironment {
  const startup: Record<string, string> = {};
  const restored: Record<string, string | undefined> = {};
  let isUsable = true;
  if (env) {
    for (const name of STARTUP_SCRIPTS) {
      if (!env[name]) continue;
      startup[name] = "";
      restored[name] = env[name];
      if (env[name].includes("\ufffd")) isUsable = false; // it may not be as it was
    }
    restored["SHLVL"] = env["SHLVL"]; // bash and others count themselves
    if (OPTIONS.some((name) => env[name] !== undefined)) isUsable = false;
    if (Object.keys(env).some(replacesUsedCommand)) isUsable = false;
  }
  return { isUsable, startup, restored };
}

/** Returns whether a variable is an exported function of bash that a worker would take for the built-in command. */
function replacesUsedCommand(name: string): boolean {
  const [, called] = /^BASH_FUNC_(.*)(?:%%|\(\))$/.exec(name) ?? [];
  return called !== undefined && REQUIRED_BUILTINS.has(called);
}

/** `undefined` where Deno does not let it be seen: then a worker is given up that does not do what it should. */
function ownEnvironment(): NodeJS.ProcessEnv | undefined {
  return isPermitted({ name: "env" }) ? process.env : undefined;
}
