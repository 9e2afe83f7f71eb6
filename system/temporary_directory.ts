import { tmpdir } from "node:os";
import process from "node:process";
import { isPermitted } from "./deno_permissions.ts";
import { randomHex } from "./random_hex.ts";

/** Returns the system's directory for temporary files: `/tmp` where Deno does not permit reading `TMPDIR`. */
export function temporaryDirectory(): string {
  const [first, ...others] = ["TMPDIR", "TMP", "TEMP"].map((variable) => isPermitted({ name: "env", variable }));
  if (first && others.every(Boolean)) return tmpdir();
  return (first && process.env["TMPDIR"]) || "/tmp";
}

/** Matches the default names from {@linkcode privateDirectoryName}. */
export const PRIVATE_DIRECTORY_NAME = /^taskrunner-[0-9a-f]{12}$/;

/** Prefix of the names of all temporary directories. */
export const TEMPORARY_PREFIX = "taskrunner";

/** Returns an unguessable directory name. The directory is created later, once something is in place to remove it. */
export function privateDirectoryName(prefix: string = TEMPORARY_PREFIX): string {
  return `${prefix}-${randomHex(6)}`;
}
