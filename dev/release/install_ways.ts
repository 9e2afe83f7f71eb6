/** Installs the command in each way, with empty caches, from registries on this machine. @module */

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { startJsrRegistry } from "../../tests/support/jsr_registry.ts";
import { startNpmProxy } from "../../tests/support/npm_proxy.ts";
import { NpmRegistry, type ServedPackage } from "../../tests/support/npm_registry.ts";
import { median } from "../bench/median.ts";
import { ROOT } from "./packages.ts";

/** A way to install the command. */
export interface InstallWay {
  /** The place that the command comes from. */
  from: "clone" | "JSR" | "npm" | "executable";
  runtime: "deno" | "bun" | "node" | "none";
  /** Shell command that installs the command; empty if {@linkcode run} does. `$ARCHIVE` is the archive of an executable. */
  install: string;
  /** Shell command that runs the tasks of standard input. */
  run: string;
}

/** The ways, in the order of the documentation. */
export const WAYS: readonly InstallWay[] = [
  { from: "clone", runtime: "deno", install: "deno install -gA -n taskrunner cli.ts", run: "taskrunner" },
  { from: "clone", runtime: "node", install: "npm ci --omit=dev", run: "node cli.ts" },
  { from: "clone", runtime: "bun", install: "npm ci --omit=dev", run: "bun cli.ts" },
  { from: "JSR", runtime: "deno", install: "", run: "deno run -A jsr:@x/taskrunner/cli" },
  {
    from: "JSR",
    runtime: "deno",
    install: "deno install -gA -n taskrunner jsr:@x/taskrunner/cli",
    run: "taskrunner",
  },
  { from: "npm", runtime: "node", install: "npm install -g @x/taskrunner", run: "taskrunner" },
  { from: "npm", runtime: "bun", install: "bun add -g @x/taskrunner", run: "taskrunner" },
  { from: "npm", runtime: "deno", install: "deno install -gA npm:@x/taskrunner", run: "taskrunner" },
  { from: "executable", runtime: "none", install: 'tar -xzf "$ARCHIVE"', run: "./taskrunner" },
];

/** The cost of an installation. */
export interface Installation extends InstallWay {
  /** The number of downloaded archives. */
  archives: number;
  /** The size of the downloaded archives and modules, without the descriptions of packages. */
  bytes: number;
  /** The time for the installation and the first task. */
  coldMs: number;
  /** The median time for one task, and for an empty script of the runtime in the same rounds; absent without rounds. */
  warm: { taskMs: number; emptyMs: number | undefined } | undefined;
}

/** The packages to install. */
export interface Packages {
  npm: ServedPackage;
  /** The path of the compressed archive with the executable for this machine; `undefined` to leave this way out. */
  executable: string | undefined;
}

/** The scripts that do nothing, by runtime. */
const EMPTY_SCRIPTS = { deno: "deno run -A empty.mjs", bun: "bun empty.mjs", node: "node empty.mjs" } as const;

/** Installs the command in each way, and runs it. With `rounds` of 0, only the first run. */
export async function measureInstallations({ npm, executable }: Packages, rounds: number): Promise<Installation[]> {
  const jsr = await startJsrRegistry();
  const proxy = await startNpmProxy();
  const installations: Installation[] = [];
  try {
    await publish(jsr.url);
    await NpmRegistry.with([npm], async (registry) => {
      for (const way of WAYS.filter(({ from }) => executable !== undefined || from !== "executable")) {
        registry.downloads.length = jsr.downloads.length = 0;
        proxy.archives.clear();
        const registryUrl = way.from === "npm" ? registry.url : proxy.url;
        const env = { NPM_CONFIG_REGISTRY: registryUrl, JSR_URL: jsr.url, ARCHIVE: executable ?? "" };
        const times = await install(way, env, rounds);
        const sizes = new Map<string, number>();
        for (const [name, { version, files }] of jsr.packages) {
          for (const [path, bytes] of files) sizes.set(`/${name}/${version}${path}`, bytes.length);
        }
        const moduleBytes = sum(jsr.downloads.map((path) => sizes.get(path) ?? 0));
        const fixed = way.from === "executable" ? [executable!] : registry.downloads.map(() => npm.tarball);
        const fixedBytes = sum(await Promise.all(fixed.map(async (path) => (await stat(path)).size)));
        installations.push({
          ...way,
          archives: proxy.archives.size + fixed.length,
          bytes: sum([...proxy.archives.values()]) + fixedBytes + moduleBytes,
          ...times,
        });
      }
    });
  } finally {
    proxy.close();
    jsr.close();
  }
  return installations;
}

/** Installs the command in a new home directory. */
async function install(
  { from, runtime, install, run }: InstallWay,
  variables: Record<string, string>,
  rounds: number,
): Promise<Pick<Installation, "coldMs" | "warm">> {
  const home = await mkdtemp(join(tmpdir(), "taskrunner-install-"));
  try {
    const cwd = join(home, "project");
    await mkdir(cwd);
    if (from === "clone") await shell(COPY_SOURCES, { cwd: ROOT, env: { ...process.env, TARGET: cwd } });
    await writeFile(join(home, "empty.mjs"), "");
    const bins = [".deno/bin", ".bun/bin", ".npm/bin"].map((path) => join(home, path));
    const env = {
      ...variables,
      HOME: home,
      PATH: [...bins, process.env["PATH"]].join(":"),
      NO_COLOR: "1",
      npm_config_prefix: join(home, ".npm"),
      npm_config_audit: "false",
      npm_config_fund: "false",
      npm_config_update_notifier: "false",
    };
    const task = `printf '{"cmd":"true"}' | ${run} -q`;
    const beginMs = performance.now();
    await shell([install, task].filter(Boolean).join(" && "), { cwd, env });
    const coldMs = performance.now() - beginMs;
    if (rounds === 0) return { coldMs, warm: undefined };
    const [taskMs, emptyMs]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      taskMs.push(await timed(() => shell(task, { cwd, env })));
      if (runtime !== "none") emptyMs.push(await timed(() => shell(EMPTY_SCRIPTS[runtime], { cwd: home, env })));
    }
    return { coldMs, warm: { taskMs: median(taskMs), emptyMs: emptyMs.length > 0 ? median(emptyMs) : undefined } };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** Copies the files that a clone has, with uncommitted changes. */
const COPY_SOURCES = 'git ls-files -z | tar --null --verbatim-files-from -T - -c | tar -xC "$TARGET"';

async function publish(url: string): Promise<void> {
  await shell("deno publish --token any --no-check --allow-slow-types --allow-dirty --quiet", {
    cwd: ROOT,
    env: { ...process.env, JSR_URL: url },
  });
}

function shell(command: string, options: { cwd: string; env: NodeJS.ProcessEnv }): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile("sh", ["-c", command], options, (error) => error ? reject(error) : resolve());
  });
}

async function timed(action: () => Promise<void>): Promise<number> {
  const beginMs = performance.now();
  await action();
  return performance.now() - beginMs;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
