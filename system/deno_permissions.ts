/** What Deno can be asked for: in full, or for one thing. */
type Permission =
  | { name: "read" | "write"; path?: string }
  | { name: "env"; variable?: string }
  | { name: "sys"; kind?: "statfs" | "inspector" }
  | { name: "net"; host?: string }
  | { name: "run"; command?: string }
  | { name: "ffi" | "import" };

/**
 * Whether something may be used that can be done without: always, but in Deno only if it was permitted. Without this
 * question Deno would ask the user on a terminal, in the middle of a run.
 */
export function isPermitted(...permissions: Permission[]): boolean {
  const { Deno: deno } = globalThis as {
    Deno?: { permissions: { querySync(permission: Permission): { state: string } } };
  };
  return !deno || permissions.every((permission) => deno.permissions.querySync(permission).state === "granted");
}
