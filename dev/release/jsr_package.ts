/** Builds the directory that `deno publish` publishes to JSR. @module */

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { packageName, type ReleaseNames, renamed, withVersion } from "./names.ts";
import { ROOT } from "./packages.ts";
import { output } from "./programs.ts";

/** The parts of `deno.json` that concern a published package. */
interface JsrManifest {
  license: string;
  unstable?: string[];
  exports: Record<string, string>;
  imports: Record<string, string>;
  compilerOptions: Record<string, unknown>;
}

/** Returns the paths of the files that `deno publish` would publish from a directory, from that directory. */
export async function publishedFiles(directory: string, flags: readonly string[] = []): Promise<string[]> {
  const args = ["publish", "--dry-run", "--allow-dirty", ...flags];
  const { stdout, stderr } = await output("deno", args, { cwd: directory });
  const urls = [...`${stdout}\n${stderr}`.matchAll(/^ +(file:\/\/\S+) \([^)]*\)$/gm)].map(([, url]) => url!);
  if (urls.length === 0) throw new Error(`Cannot list the files to publish: deno ${args.join(" ")} names none`);
  return urls.map((url) => relative(directory, fileURLToPath(url))).sort();
}

/** Writes the files for JSR into a directory, with the names of the release. */
export async function writeJsrPackage(directory: string, names: ReleaseNames, date: string): Promise<void> {
  const paths = await publishedFiles(ROOT, ["--no-check"]);
  const texts = await Promise.all(paths.map(async (path): Promise<[path: string, text: string]> => {
    const text = renamed(await readFile(join(ROOT, path), "utf8"), names);
    return [path, path === "text/version.ts" ? withVersion(text, names.version, date) : text];
  }));
  const manifest: JsrManifest = JSON.parse(await readFile(join(ROOT, "deno.json"), "utf8"));
  const modules = texts.filter(([path]) => path.endsWith(".ts")).map(([, text]) => text);
  const files = new Map(texts).set("deno.json", jsrManifest(manifest, modules, names));
  for (const [path, text] of files) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), text);
  }
}

/** Returns `deno.json` without the tasks, and without the imports that only tests and tools use. */
function jsrManifest(manifest: JsrManifest, modules: readonly string[], names: ReleaseNames): string {
  const { license, unstable, exports, imports, compilerOptions } = manifest;
  const used = Object.entries(imports).filter(([name]) => {
    const specifier = new RegExp(`^(?! *\\*).*"${name}(?:/[^"]*)?"`, "m"); // not in an example
    return modules.some((text) => specifier.test(text));
  });
  const published = {
    name: packageName(names),
    version: names.version,
    license,
    ...(unstable && { unstable }),
    exports,
    imports: Object.fromEntries(used),
    workspace: [], // otherwise the directory would belong to the workspace of the repository
    compilerOptions,
  };
  return `${JSON.stringify(published, undefined, 2)}\n`;
}
