import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import process from "node:process";
import { isPermitted } from "./deno_permissions.ts";

/** The system's directory for temporary files, as far as Deno lets the environment be seen. */
export function temporaryDirectory(): string {
  const [first, ...others] = ["TMPDIR", "TMP", "TEMP"].map((variable) => isPermitted({ name: "env", variable }));
  if (first && others.every(Boolean)) return tmpdir();
  return (first && process.env["TMPDIR"]) || "/tmp";
}

/** What {@linkcode privateDirectoryName} gives. */
export const PRIVATE_DIRECTORY_NAME = /^taskrunner-[0-9a-f]{12}$/;

/** What the names of all directories for temporary files begin with. */
export const TEMPORARY_PREFIX = "taskrunner";

/** A name that nobody can guess, for a directory that is made later, when there is somebody to remove it. */
export function privateDirectoryName(prefix: string = TEMPORARY_PREFIX): string {
  return `${prefix}-${randomBytes(6).toString("hex")}`;
}
