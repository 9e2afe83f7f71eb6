import { homedir } from "node:os";
import { isPermitted, permittedVariable } from "./deno_permissions.ts";

/**
 * Returns the home directory; `undefined` where there is none, as for a user of a container who is not in the list of users,
 * or where Deno does not permit the question.
 */
export function homeDirectory(): string | undefined {
  const home = permittedVariable("HOME");
  if (home) return home;
  try {
    return (isPermitted({ name: "sys", kind: "homedir" }) && homedir()) || undefined;
  } catch {
    return undefined; // Node throws
  }
}
