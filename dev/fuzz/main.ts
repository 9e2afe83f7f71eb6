/**
 * Coverage-guided fuzzing of the targets: `deno task fuzz [TARGET...] [--seconds N]`.
 *
 * Uses Jazzer.js (libFuzzer for JavaScript) on Node, which npx downloads on demand. Jazzer.js needs glibc 2.38 or
 * later; on older systems such as Debian 12, the libraries of Debian 13 are unpacked into a separate directory.
 *
 * @module
 */

import { spawnSync, type SpawnSyncOptions } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "@std/cli/parse-args";
import { bytesOf, type Target } from "./target.ts";

const JAZZER = "@jazzer.js/core@4.0.0";
const TARGETS = ["jsonl", "tasks", "arguments", "units", "quoting", "results", "resume", "messages", "worker"];
const MAX_BYTES = 2048;
/** Time limit for a single input. */
const LONGEST_MS = 60_000;

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const WORK = join(PROJECT, ".fuzz");

/** Downloads packages of Debian 13 and unpacks them into a directory, without changing the system. */
const LIBRARIES = `
mkdir -p "$1.apt/lists/partial" "$1.apt/archives/partial"
cd "$1.apt"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main" > sources.list
apt() {
  apt-get -q -o Dir::Etc::sourcelist="$PWD/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$PWD/lists" \\
    -o Dir::Cache="$PWD" -o APT::Sandbox::User= "$@"
}
apt update
apt download libc6 libstdc++6 libgcc-s1
for package in *.deb; do dpkg-deb -x "$package" "$1"; done`;

const { _, seconds = "600" } = parseArgs(process.argv.slice(2), { string: ["_", "seconds"] });
const names = _ as string[];
const targets = names.length > 0 ? names : TARGETS;
const unknown = targets.find((name) => !TARGETS.includes(name));
if (unknown !== undefined) throw new Error(`Unknown target ${unknown}; the targets are ${TARGETS.join(", ")}`);
const node = nodeCommand();
for (const name of targets) await fuzz(name);

/** Fuzzes one target. The corpus stays in `.fuzz/NAME` for the next run. */
async function fuzz(name: string): Promise<void> {
  const { seeds, tokens }: Target = await import(`./${name}.ts`);
  const [corpus, bundle, dictionary] = [join(WORK, name), join(WORK, `${name}.mjs`), join(WORK, `${name}.dict`)];
  mkdirSync(corpus, { recursive: true });
  seeds.forEach((seed, index) => writeFileSync(join(corpus, `seed-${index}`), bytesOf(seed)));
  writeFileSync(dictionary, tokens.map((token) => `"${escaped(bytesOf(token))}"\n`).join(""));
  run("bun", ["build", `dev/fuzz/${name}.ts`, "--target=node", `--outfile=${bundle}`]);
  const jazzer = [bundle, corpus, "--includes", bundle, "--disableBugDetectors", ".*", "--timeout", `${LONGEST_MS}`];
  const libFuzzer = [`-max_total_time=${seconds}`, `-max_len=${MAX_BYTES}`, "-len_control=0", `-dict=${dictionary}`];
  const args = [...jazzer, "--", ...libFuzzer, `-artifact_prefix=${WORK}/${name}-`, "-print_final_stats=1"];
  const script = `exec ${node} "$(command -v jazzer)" ${args.map((arg) => `'${arg}'`).join(" ")}`;
  run("npx", ["-y", "-p", JAZZER, "-c", script]);
}

function escaped(bytes: Uint8Array): string {
  return [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}

/** Returns the command that starts Node with a C library that is recent enough for the fuzzer. */
function nodeCommand(): string {
  const [, minor] = run("getconf", ["GNU_LIBC_VERSION"], { stdio: "pipe" }).match(/glibc 2\.(\d+)/)!;
  if (Number(minor) >= 38) return "node";
  const libraries = join(WORK, "debian-13");
  const directory = join(libraries, "usr/lib/x86_64-linux-gnu");
  if (!existsSync(directory)) run("sh", ["-euc", LIBRARIES, "sh", libraries]);
  const program = run("node", ["-p", "process.execPath"], { stdio: "pipe" }).trim();
  return `'${directory}/ld-linux-x86-64.so.2' --library-path '${directory}' '${program}'`;
}

function run(program: string, args: readonly string[], options: SpawnSyncOptions = {}): string {
  const ended = spawnSync(program, args, { cwd: PROJECT, stdio: ["ignore", "inherit", "inherit"], ...options });
  if (ended.error) throw ended.error;
  if (ended.status !== 0) throw new Error(`${program} exited with ${ended.status ?? ended.signal}`);
  return String(ended.stdout ?? "");
}
