import process from "node:process";

/** A Deno permission descriptor; without its optional field it covers the whole kind. */
type Permission =
  | { name: "read" | "write"; path?: string }
  | { name: "env"; variable?: string }
  | { name: "sys"; kind?: "statfs" | "inspector" | "homedir" }
  | { name: "net"; host?: string }
  | { name: "run"; command?: string }
  | { name: "ffi" | "import" };

/**
 * Returns whether all permissions are granted; on Bun and Node they always are. Check this before any optional access:
 * otherwise Deno would prompt the user in the middle of a run.
 */
export function isPermitted(...permissions: Permission[]): boolean {
  const { Deno: deno } = globalThis as {
    Deno?: { permissions: { querySync(permission: Permission): { state: string } } };
  };
  return !deno || permissions.every((permission) => deno.permissions.querySync(permission).state === "granted");
}

/** Returns a variable of the environment; `undefined` if it is not set, or if Deno does not permit reading it. */
export function permittedVariable(name: string): string | undefined {
  return isPermitted({ name: "env", variable: name }) ? process.env[name] : undefined;
}
