/** Imports packages from npm on demand. @module */

/** Functions that import the packages of this executable, by name. */
const contained = new Map<string, () => Promise<unknown>>();

/**
 * Adds packages that this executable contains. An executable is one file, in which a computed specifier finds no
 * package.
 */
export function addContainedPackages(packages: Readonly<Record<string, () => Promise<unknown>>>): void {
  for (const [name, load] of Object.entries(packages)) contained.set(name, load);
}

/**
 * Imports an npm package on demand. The specifier is computed so that Deno, which downloads every static import of the
 * module graph, fetches this package (in this version) only when it is needed. Bun and Node use the installed version, and
 * so does Deno when this module is from npm: Deno rejects `npm:` specifiers there. An executable uses the version that it
 * contains.
 */
export async function importNpmPackage<T>(name: string, version: string): Promise<T> {
  const load = contained.get(name);
  if (load) return await load() as T;
  const { url } = import.meta;
  const isFromNpm = url.startsWith("file:") && url.endsWith(".js"); // as opposed to a clone, or to JSR
  const specifier = "Deno" in globalThis && !isFromNpm ? `npm:${name}@${version}` : name;
  return await import(specifier);
}
