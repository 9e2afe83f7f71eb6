/**
 * Makes `report/page.generated.ts`, the script and the style of the report's page, out of `report/page` and the charting
 * library: in one piece, as a page that is opened from a disk can load nothing. Runs on Bun.
 *
 *     bun dev/tools/page.ts
 */

import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** As much of Bun as is needed. */
interface Bundler {
  build(options: object): Promise<{ outputs: Blob[]; metafile: { inputs: Readonly<Record<string, unknown>> } }>;
}

const path = (name: string) => fileURLToPath(new URL(`../../report/${name}`, import.meta.url));

/** The terms of what is in the bundle, which have to go with every copy of it, and so into every report. */
async function licencesOf(modules: readonly string[]): Promise<string> {
  const directories = new Set(modules.flatMap((name) => /.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? []));
  const texts = [...directories].sort().map(async (directory) => {
    const { name, version, license } = JSON.parse(await readFile(join(directory, "package.json"), "utf8"));
    const files = await readdir(directory, { recursive: true });
    const terms = files.filter((file) => /^(licenses\/)?(LICENSE|NOTICE)[^/]*$/.test(file)).sort();
    if (terms.length === 0) throw new Error(`${name} comes without its licence`);
    const parts = await Promise.all(terms.map((file) => readFile(join(directory, file), "utf8")));
    return [`${name} ${version}, ${license}\n`, ...parts.map((text) => text.trim().replaceAll("\r\n", "\n") + "\n")]
      .join("\n");
  });
  return (await Promise.all(texts)).join("\n");
}

/** The text of the module. */
export async function pageModule(): Promise<string> {
  const { Bun: bun } = globalThis as unknown as { Bun: Bundler };
  const { outputs: [bundle], metafile } = await bun.build({
    entrypoints: [path("page/main.ts")],
    target: "browser",
    format: "esm",
    minify: true,
    metafile: true,
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const licences = await licencesOf(Object.keys(metafile.inputs));
  if (licences.includes("*/")) throw new Error("The comment with the licences would end inside of them");
  const script = `/*!\n${licences}*/\n${(await bundle!.text()).trim()}`;
  const style = (await readFile(path("page/style.css"), "utf8")).trim();
  for (const text of [script, style]) {
    if (/<\/(script|style)|<!--/i.test(text)) throw new Error("The page would end inside its script or style");
    if (text.includes("\r")) throw new Error("A browser would read another end of line, and find another hash");
  }
  return `// Made by \`deno task page\` from report/page and from packages whose licences stand at the beginning of the script. Not to
// be changed by hand.

export const STYLE: string = ${JSON.stringify(style)};
export const SCRIPT: string = ${JSON.stringify(script)};
`;
}

if (import.meta.main) await writeFile(path("page.generated.ts"), await pageModule());
