import { realpathSync } from "node:fs";
import process from "node:process";

/**
 * Returns whether the program was started with this module, also through a symbolic link, such as npm makes in
 * `node_modules/.bin`.
 */
export function isEntryPoint(
  { main, filename }: { main?: boolean | undefined; filename?: string | undefined },
): boolean {
  // Node before 24.2 has no import.meta.main.
  if (main !== undefined) return main;
  const path = process.argv[1];
  if (path === undefined || filename === undefined) return false;
  try {
    return realpathSync(path) === realpathSync(filename);
  } catch {
    return false; // such as the `-` of standard input
  }
}
