import { realpathSync } from "node:fs";
import process from "node:process";

/** The properties of `import.meta` that identify a module. */
export interface ModuleMeta {
  url: string;
  main?: boolean | undefined;
  filename?: string | undefined;
}

/** Returns whether a URL is that of a module, and not of a bundle that contains the module. */
export function isModuleUrl(url: string, path: string): boolean {
  return new RegExp(`/${path}\\.[cm]?[jt]s$`).test(url);
}

/**
 * Returns whether a module is the entry point of the program. Follows symbolic links, such as those that npm creates in
 * `node_modules/.bin`. In a bundle, all modules have the `import.meta` of the entry, and none counts as the entry point.
 *
 * @param meta The `import.meta` of the module.
 * @param path The path of the module in this package, without its extension.
 */
export function isEntryPoint({ url, main, filename }: ModuleMeta, path: string): boolean {
  if (!isModuleUrl(url, path)) return false;
  // Node before 24.2 has no import.meta.main.
  if (main !== undefined) return main;
  const program = process.argv[1];
  if (program === undefined || filename === undefined) return false;
  try {
    return realpathSync(program) === realpathSync(filename);
  } catch {
    return false; // not a file, such as `-` for standard input
  }
}
