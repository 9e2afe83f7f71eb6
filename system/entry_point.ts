import { realpathSync } from "node:fs";
import process from "node:process";

/**
 * Returns whether this module is the entry point of the program. Follows symbolic links, such as those that npm creates
 * in `node_modules/.bin`.
 *
 * @param meta The `import.meta` of the module.
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
    return false; // not a file, such as `-` for standard input
  }
}
