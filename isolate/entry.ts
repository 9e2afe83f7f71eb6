/** The module that the process of a `TaskRunner` runs. Its caller does not load it, so that no bundle contains it. @module */

/** The URL of the module. */
export const ENTRY: string = new URL("./main.ts", import.meta.url).href;

/** Never called. Because of the import, Deno downloads the module with the others, before the process starts. */
export function importEntry(): Promise<unknown> {
  return import("./main.ts");
}
