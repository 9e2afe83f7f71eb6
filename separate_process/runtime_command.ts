import process from "node:process";
import { fileURLToPath } from "node:url";

/** A program and its arguments. */
export interface RuntimeCommand {
  program: string;
  args: string[];
}

interface DenoApi {
  build: { standalone: boolean };
  permissions: { querySync(permission: { name: string }): { state: string } };
}

/** What the process can use, besides running programs. */
const USED_PERMISSIONS = ["read", "write", "env", "sys"];
/** With these as well a program has them all. */
const OTHER_PERMISSIONS = ["run", "net", "ffi", "import"];

/**
 * How to start a module in the runtime that this program runs in, with no more memory than it needs.
 *
 * In Deno the process may run programs and, as far as this program may, read, write, and see the environment and the
 * system. It may do everything if this program may: `/dev/shm` and `/proc` are not to be had for less, and who may run
 * programs can do everything anyway.
 *
 * @throws `Error` when this program was compiled, and so is itself what would be started.
 */
export function runtimeCommand(entry: string): RuntimeCommand {
  const { Deno: deno } = globalThis as { Deno?: DenoApi };
  const sea = process.getBuiltinModule?.("node:sea") as { isSea(): boolean } | undefined;
  if (deno?.build.standalone || entry.includes("/$bunfs/") || sea?.isSea()) {
    throw new Error("this program was compiled, and there is no runtime that could be started");
  }
  const program = process.execPath;
  if (deno) {
    const isGranted = (name: string) => deno.permissions.querySync({ name }).state === "granted";
    const permissions = [...USED_PERMISSIONS, ...OTHER_PERMISSIONS].every(isGranted)
      ? ["--allow-all"]
      : ["run", ...USED_PERMISSIONS.filter(isGranted)].map((name) => `--allow-${name}`);
    const flags = ["--quiet", "--no-prompt", "--no-lock", "--v8-flags=--optimize-for-size"];
    return { program, args: ["run", ...flags, ...permissions, entry] };
  }
  const path = fileURLToPath(entry);
  return { program, args: "Bun" in globalThis ? ["--smol", path] : [path] };
}
