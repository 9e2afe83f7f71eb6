/**
 * Compiles `launcher.c` into `executors/shell/launcher/native_programs.generated.ts`; run by `deno task launcher`.
 *
 * The same compilers produce the same bytes. Those used are from Debian 12: `apt-get install gcc gcc-aarch64-linux-gnu
 * linux-libc-dev-arm64-cross`.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("launcher.c", import.meta.url));
const TARGET = new URL("../../executors/shell/launcher/native_programs.generated.ts", import.meta.url);

/** The compilers, by the processor. */
export const COMPILERS = { arm64: "aarch64-linux-gnu-gcc", x64: "gcc" } as const;

/** Flags for a program without libraries, relocations and tables that only debuggers need. */
const FLAGS = [
  ..."-std=gnu11 -Os -Wall -Wextra -Werror -ffreestanding -fno-tree-loop-distribute-patterns".split(" "),
  ..."-fno-stack-protector -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-pie -no-pie".split(" "),
  ..."-nostdlib -static -s -Wl,--build-id=none,-z,noseparate-code,-z,norelro".split(" "),
];

/** Compiles the launcher for a processor. */
export function compileLauncher(architecture: keyof typeof COMPILERS): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), "launcher-"));
  try {
    const path = join(directory, "launcher");
    execFileSync(COMPILERS[architecture], [...FLAGS, "-o", path, SOURCE], { stdio: ["ignore", "inherit", "inherit"] });
    return readFileSync(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Returns the module that contains the programs, as TypeScript. */
export function programModule(programs: Readonly<Record<keyof typeof COMPILERS, Uint8Array>>): string {
  const entries = Object.entries(programs).map(([architecture, program]) => {
    const lines = Buffer.from(program).toString("base64").match(/.{1,110}/g)!.map((line) => `    "${line}"`);
    return `  ${architecture}:\n${lines.join(" +\n")},\n`;
  });
  return `// Generated from dev/launcher/launcher.c by \`deno task launcher\`.

/** The launcher, in base64, by the processor. */
export const NATIVE_PROGRAMS: { readonly arm64: string; readonly x64: string } = {
${entries.join("")}};
`;
}

if (import.meta.main) {
  writeFileSync(TARGET, programModule({ arm64: compileLauncher("arm64"), x64: compileLauncher("x64") }));
}
