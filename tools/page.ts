/**
 * Makes `report/page.generated.ts`, the script and the style of the report's page, out of `report/page` and the charting
 * library: in one piece, as a page that is opened from a disk can load nothing. Runs on Bun.
 *
 *     bun tools/page.ts
 */

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** As much of Bun as is needed. */
interface Bundler {
  build(options: object): Promise<{ outputs: Blob[] }>;
}

const path = (name: string) => fileURLToPath(new URL(`../report/${name}`, import.meta.url));

/** The text of the module. */
export async function pageModule(): Promise<string> {
  const { Bun: bun } = globalThis as unknown as { Bun: Bundler };
  const { outputs: [bundle] } = await bun.build({
    entrypoints: [path("page/main.ts")],
    target: "browser",
    format: "esm",
    minify: true,
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const script = (await bundle!.text()).trim();
  const style = (await readFile(path("page/style.css"), "utf8")).trim();
  for (const text of [script, style]) {
    if (/<\/(script|style)|<!--/i.test(text)) throw new Error("The page would end inside its script or style");
  }
  return `// Made by \`deno task page\` from report/page and from Apache ECharts (https://echarts.apache.org), which is under the
// Apache License 2.0 (https://www.apache.org/licenses/LICENSE-2.0). Not to be changed by hand.

export const STYLE: string = ${JSON.stringify(style)};
export const SCRIPT: string = ${JSON.stringify(script)};
`;
}

if (import.meta.main) await writeFile(path("page.generated.ts"), await pageModule());
