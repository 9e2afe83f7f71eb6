/**
 * Imports an npm package on demand. The specifier is computed so that Deno, which downloads every static import of the
 * module graph, fetches this package (in this version) only when it is needed. Bun and Node use the installed version.
 */
export async function importNpmPackage<T>(name: string, version: string): Promise<T> {
  const specifier = "Deno" in globalThis ? `npm:${name}@${version}` : name;
  return await import(specifier);
}
