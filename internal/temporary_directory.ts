import { tmpdir } from "node:os";
import process from "node:process";
import { isPermitted } from "./deno_permissions.ts";

/** The system's directory for temporary files, as far as Deno lets the environment be seen. */
export function temporaryDirectory(): string {
  const [first, ...others] = ["TMPDIR", "TMP", "TEMP"].map((variable) => isPermitted({ name: "env", variable }));
  if (first && others.every(Boolean)) return tmpdir();
  return (first && process.env["TMPDIR"]) || "/tmp";
}
