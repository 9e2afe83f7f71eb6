/** Assembles `json_escape.wat` into `text/json_escape_module.ts`; run by `deno task wasm`. */

import { Buffer } from "node:buffer";
import { readFile, writeFile } from "node:fs/promises";
import { assemble } from "./assemble.ts";

const SOURCE = new URL("json_escape.wat", import.meta.url);
const TARGET = new URL("../../text/json_escape_module.ts", import.meta.url);

/** Returns the module that contains the assembled code, as TypeScript. */
export async function escapeModule(): Promise<string> {
  const code = Buffer.from(assemble(await readFile(SOURCE, "utf8"))).toString("base64");
  const lines = code.match(/.{1,110}/g)!.map((line) => `  "${line}"`);
  return `// Generated from dev/wasm/json_escape.wat by \`deno task wasm\`.

/** The code that escapes text, in base64. */
export const JSON_ESCAPE_MODULE: string =
${lines.join(" +\n")};
`;
}

if (import.meta.main) await writeFile(TARGET, await escapeModule());
