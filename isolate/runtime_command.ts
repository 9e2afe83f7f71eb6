import { existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { isPermitted } from "../system/deno_permissions.ts";
import { isModuleUrl } from "../system/entry_point.ts";
import { writeStderr } from "../system/standard_streams.ts";

/** A program and its arguments. */
export interface RuntimeCommand {
  program: string;
  args: string[];
}

interface DenoApi {
  build: { standalone: boolean };
}

/** Permissions that the process uses, besides those for programs and files. */
const USED_PERMISSIONS = ["env", "sys"] as const;
/** All other permissions of Deno. */
const OTHER_PERMISSIONS = ["run", "read", "write", "net", "ffi", "import"] as const;

/** Returns whether a URL is that of the entry module, and not of a bundle that contains it. */
export function isEntryModule(url: string): boolean {
  return isModuleUrl(url, "isolate/main");
}

/** Returns why no other process can run a module of this program; `undefined` when a process can. */
export function startProblem(entry: string): string | undefined {
  const { Deno: deno } = globalThis as { Deno?: DenoApi };
  const sea = process.getBuiltinModule?.("node:sea") as { isSea(): boolean } | undefined;
  if (deno?.build.standalone || entry.includes("/$bunfs/") || sea?.isSea()) {
    return "this program is compiled, and no runtime is available";
  }
  // A bundle of a bundle can have a URL that ends like that of the module. Deno would need permission to look.
  const isMissing = !deno && entry.startsWith("file:") && !existsSync(fileURLToPath(entry));
  const isBundled = !isEntryModule(entry) || isMissing;
  return isBundled ? "this program is bundled, and has no module that another process can run" : undefined;
}

let isReported = false;

/** Returns whether another process can run a module of this program. The first time that none can, reports why. */
export function canStartProcess(entry: string): boolean {
  const problem = startProblem(entry);
  if (problem === undefined) return true;
  if (!isReported) {
    isReported = true;
    const notice = `TaskRunner runs its tasks in this process: ${problem}; { isolate: false } omits this notice`;
    writeStderr(`taskrunner: ${notice}\n`).catch(() => {}); // never rejects
  }
  return false;
}

/**
 * Returns the command that starts a module in the runtime of this program, with settings that save memory.
 *
 * In Deno the process gets no permission that this program lacks: to run programs, or at least the shell; to read and
 * write files, or at least those below the given paths; to read the environment and system information. The process
 * gets `--allow-all` only from a program that has all permissions, because Deno requires them all for access to
 * `/dev/shm` and `/proc`.
 *
 * @throws `Error` when this program was compiled or bundled, because the command would start the program again.
 */
export function runtimeCommand(entry: string, shell: string, paths: readonly string[]): RuntimeCommand {
  const problem = startProblem(entry);
  if (problem !== undefined) throw new Error(problem);
  const { Deno: deno } = globalThis as { Deno?: DenoApi };
  const program = process.execPath;
  if (deno) {
    const hasAll = [...USED_PERMISSIONS, ...OTHER_PERMISSIONS].every((name) => isPermitted({ name }));
    const files = ["read", "write"] as const;
    const permissions = hasAll ? ["--allow-all"] : [
      isPermitted({ name: "run" }) ? "--allow-run" : `--allow-run=${shell}`,
      ...files.map((name) => `--allow-${name}${isPermitted({ name }) ? "" : `=${paths.join(",")}`}`),
      ...USED_PERMISSIONS.filter((name) => isPermitted({ name })).map((name) => `--allow-${name}`),
    ];
    const flags = ["--quiet", "--no-prompt", "--no-lock", "--v8-flags=--optimize-for-size"];
    return { program, args: ["run", ...flags, ...permissions, entry] };
  }
  const path = fileURLToPath(entry);
  return { program, args: "Bun" in globalThis ? ["--smol", path] : [path] };
}
