/** The environment of shell workers: shells change it at startup, and tasks need it unchanged. @module */

import process from "node:process";
import { isPermitted } from "../../system/deno_permissions.ts";
import { REQUIRED_BUILTINS } from "./script.ts";

/** Variables for starting a worker. */
export interface WorkerEnvironment {
  /** False when variables would make a shell misbehave as a worker. Unreadable variables are not checked. */
  isUsable: boolean;
  /** True when the variables could be read. */
  isKnown: boolean;
  /** Variables that override those of the runner while the shell starts. */
  startup: Readonly<Record<string, string>>;
  /** Variables of the runner that the started worker sets or, for `undefined`, unsets. */
  restored: Readonly<Record<string, string | undefined>>;
}

/** Variables with the path of a script that a shell runs at startup. With an empty path it runs none. */
const STARTUP_SCRIPTS = ["BASH_ENV", "ENV"];
/** Variables with options of bash, such as `xtrace`, that disturb the protocol of workers. */
const OPTIONS = ["SHELLOPTS", "BASHOPTS"];

/** Returns the variables for starting a worker, from the given environment or from that of this process. */
export function workerEnvironment(env: NodeJS.ProcessEnv | undefined = runnerEnvironment()): WorkerEnvironment {
  const startup: Record<string, string> = {};
  const restored: Record<string, string | undefined> = {};
  let isUsable = true;
  if (env) {
    for (const name of STARTUP_SCRIPTS) {
      if (!env[name]) continue;
      startup[name] = "";
      restored[name] = env[name];
      if (env[name].includes("\ufffd")) isUsable = false; // bytes were lost in decoding
    }
    restored["SHLVL"] = env["SHLVL"]; // shells such as bash increment it
    if (OPTIONS.some((name) => env[name] !== undefined)) isUsable = false;
    if (Object.keys(env).some(shadowsBuiltin)) isUsable = false;
  }
  return { isUsable, isKnown: env !== undefined, startup, restored };
}

/** Returns whether a variable is an exported function of bash that shadows a built-in which workers use. */
function shadowsBuiltin(variable: string): boolean {
  const [, name] = /^BASH_FUNC_(.*)(?:%%|\(\))$/.exec(variable) ?? [];
  return name !== undefined && REQUIRED_BUILTINS.has(name);
}

/** Returns `undefined` where Deno denies access. Then only the reports of a worker reveal that it is unusable. */
function runnerEnvironment(): NodeJS.ProcessEnv | undefined {
  return isPermitted({ name: "env" }) ? process.env : undefined;
}
