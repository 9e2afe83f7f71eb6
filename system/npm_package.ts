/**
 * Loads a package of npm that few runs need. Deno fetches it only then, in this version; what stands in an `import` in so
 * many words it would fetch for every run.
 */
export async function importNpmPackage<T>(name: string, version: string): Promise<T> {
  const specifier = "Deno" in globalThis ? `npm:${name}@${version}` : name;
  return await import(specifier);
}
