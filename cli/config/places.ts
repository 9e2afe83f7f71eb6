/** The places of default flags: a file and an environment variable. @module */

import { readFileSync, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import process from "node:process";
import { isPermitted, permittedVariable } from "../../system/deno_permissions.ts";
import { homeDirectory } from "../../system/home_directory.ts";
import { systemCode, systemReason } from "../../system/system_error.ts";

/** The variable that holds default flags. */
const FLAGS_VARIABLE = "TASKRUNNER_FLAGS";

/** A place of default flags. */
export interface Place {
  /** The path of the file, or the name of the variable. */
  readonly name: string;
  readonly isFile: boolean;
  /** The content; `undefined` if the place does not exist. */
  readonly text: string | undefined;
  /** The reason why the place cannot be read. */
  readonly problem?: string;
}

/**
 * Reads the places of default flags, in the order in which they apply. Removes the variable from the environment, so that
 * tasks and the runs that they start do not inherit the flags of this run.
 */
export function takePlaces(): Place[] {
  const path = flagsFile();
  return [...path === undefined ? [] : [readFile(path)], takeVariable()];
}

/** Returns the path of the flags file; `undefined` if there is no home directory, or Deno does not permit reading it. */
function flagsFile(): string | undefined {
  const base = permittedVariable("XDG_CONFIG_HOME");
  if (base && isAbsolute(base)) return join(base, "taskrunner", "flags"); // a relative path is invalid there
  const home = homeDirectory();
  return home ? join(home, ".config", "taskrunner", "flags") : undefined;
}

function readFile(path: string): Place {
  const place = { name: path, isFile: true, text: undefined };
  if (!isPermitted({ name: "read", path })) return place;
  try {
    if (statSync(path).isFIFO()) return { ...place, problem: "it is a FIFO" }; // the wait for a writer cannot be interrupted
    const bytes = readFileSync(path);
    return { ...place, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemCode(error) ?? "")) return place;
    return { ...place, problem: error instanceof TypeError ? "it is not valid UTF-8" : systemReason(error) };
  }
}

function takeVariable(): Place {
  const text = permittedVariable(FLAGS_VARIABLE);
  if (text !== undefined) delete process.env[FLAGS_VARIABLE];
  return { name: FLAGS_VARIABLE, isFile: false, text };
}
