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

/** What the process can use, besides running programs and files. */
const USED_PERMISSIONS = ["env", "sys"] as const;
/** With these as well a program has them all. */
const OTHER_PERMISSIONS = ["run", "read", "write", "net", "ffi", "import"] as const;

/** Whether a URL is that of the module of the process, and not of a bundle that it has become a part of. */
export function isEntryModule(url: string): boolean {
  return /\/isolate\/main\.[cm]?[jt]s$/.test(url);
}

/**
 * How to start a module in the runtime that this program runs in, with no more memory than it needs.
 *
 * In Deno the process may run programs, or at least the shell, and, as far as this program may, read and write files, or at
 * least those below the given paths, and see the environment and the system. It may do everything if this program may:
 * `/dev/shm` and `/proc` are not to be had for less, and who may run programs can do everything anyway.
 *
 * @throws `Error` when this program was compiled or bundled, and so is itself what would be started.
 */
export function runtimeCommand(entry: string, shell: string, paths: readonly string[]): RuntimeCommand {
  const { Deno: deno } = globalThis as { Deno?: DenoApi };
  const sea = process.getBuiltinModule?.("node:sea") as { isSea(): boolean } | undefined;
  if (deno?.build.standalone || entry.includes("/$bunfs/") || sea?.isSea()) {
    throw new Error("this program was compiled, and there is no runtime that could be started");
  }
  if (!isEntryModule(entry)) throw new Error("this program was bundled, and has no module that could be started");
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
