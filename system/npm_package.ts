/**
 * Imports an npm package on demand. The specifier is computed so that Deno, which downloads every static import of the
 * module graph, fetches this package (in this version) only when it is needed. Bun and Node use the installed version, and
 * so does Deno when this module is from npm: Deno rejects `npm:` specifiers there.
 */
export async function importNpmPackage<T>(name: string, version: string): Promise<T> {
  const { url } = import.meta;
  const isFromNpm = url.startsWith("file:") && url.endsWith(".js"); // as opposed to a clone, or to JSR
  const specifier = "Deno" in globalThis && !isFromNpm ? `npm:${name}@${version}` : name;
  return await import(specifier);
}
