import process from "node:process";
import { fileURLToPath } from "node:url";
import { isPermitted } from "../system/deno_permissions.ts";

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
  return /\/isolate\/main\.[cm]?[jt]s$/.test(url);
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
  const { Deno: deno } = globalThis as { Deno?: DenoApi };
  const sea = process.getBuiltinModule?.("node:sea") as { isSea(): boolean } | undefined;
  if (deno?.build.standalone || entry.includes("/$bunfs/") || sea?.isSea()) {
    throw new Error("this program is compiled, and no runtime is available");
  }
  if (!isEntryModule(entry)) throw new Error("this program is bundled, and has no module that another process can run");
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
