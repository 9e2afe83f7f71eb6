/**
 * Installs the command in each way, with empty caches, from registries on this machine, and prints the table of
 * `docs/install.md`: downloads, the time for the installation and the first task, and the median time for one task beside
 * that for an empty script of the runtime.
 *
 *     deno task bench:install [--rounds 7]
 *
 * @module
 */

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compileExecutable, hostTarget, prepareExecutables } from "../release/executables.ts";
import { type Installation, measureInstallations } from "../release/install_ways.ts";
import { writeJsrPackage } from "../release/jsr_package.ts";
import { buildNpmPackage, packNpmPackage } from "../release/npm_package.ts";
import { output } from "../release/programs.ts";
import { VERSION, VERSION_DATE } from "../../text/version.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "7" } } });
const directory = await mkdtemp(join(tmpdir(), "taskrunner-bench-"));
try {
  const built = join(directory, "npm");
  await buildNpmPackage(built);
  const manifest = JSON.parse(await readFile(join(built, "package.json"), "utf8"));
  const npm = { manifest, tarball: await packNpmPackage(built, directory) };
  const executable = join(directory, "taskrunner.tar.gz");
  await writeJsrPackage(join(directory, "sources"), { scope: "x1", version: VERSION }, VERSION_DATE);
  const sources = await prepareExecutables(join(directory, "executable"), join(directory, "sources"));
  await compileExecutable(sources, hostTarget(), join(directory, "output"));
  await output("tar", ["-czf", executable, "-C", join(directory, "output"), "taskrunner"], { cwd: directory });
  const installations = await measureInstallations({ npm, executable }, Number(values.rounds));
  console.log(
    ["| from | runtime | commands | archives | size | cold | warm | empty script |", "|-|-|-|-|-|-|-|-|"]
      .concat(installations.map(row)).join("\n"),
  );
} finally {
  await rm(directory, { recursive: true });
}

function row({ from, runtime, install, run, archives, bytes, coldMs, warm }: Installation): string {
  const commands = [install, run].filter(Boolean).map((command) => `\`${command}\``).join("<br>");
  const times = [coldMs, warm!.taskMs, warm!.emptyMs].map((ms) =>
    ms === undefined ? "" : `${(ms / 1000).toFixed(2)} s`
  );
  const size = bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  return `| ${[from, runtime, commands, archives, size, ...times].join(" | ")} |`;
}
