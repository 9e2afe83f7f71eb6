/**
 * Fails if a module imports from a room above its own, if there is an import cycle, or if a module is outside all
 * rooms. Type imports count as well. `docs/architecture.md` describes the rooms.
 *
 *     deno run -A dev/check_layers.ts
 *
 * @module
 */

import { readdir, readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The rooms, from top to bottom. A module may import from its own room and from rooms below it. */
const ROOMS = [
  "mod.ts",
  "cli.ts",
  "cli",
  "isolate",
  "runner.ts",
  "nats",
  "telemetry",
  "report",
  "results",
  "executors",
  "spawn_adapters",
  "pool",
  "graph",
  "records",
  "jsonl",
  "system",
  "text",
] as const;
/**
 * The folders and central modules of `cli/`, from top to bottom. A module may import only from those below its own; all may
 * import the modules of `cli/` that are not listed.
 */
const CLI_LAYERS = [
  "cli/start.ts",
  "cli/command_process.ts",
  "cli/main.ts",
  "cli/wrong_arguments.ts",
  "cli/command_line.ts",
  "cli/commands",
  "cli/help_text.ts",
  "cli/completions",
  "cli/man",
  "cli/config",
  "cli/command.ts",
  "cli/help_topics.ts",
  "cli/run_tasks.ts",
  "cli/failed",
  "cli/each",
  "cli/output",
  "cli/ui",
  "cli/workflow",
  "cli/args",
  "cli/io.ts",
] as const;
/** Directories that are not published, and may import from any room; `dist` has copies of the modules for a release. */
const UNPUBLISHED = ["dev", "tests", "examples", "docs", "dist"];

/** Matches static imports, dynamic imports and re-exports with a relative specifier. */
const IMPORT = /(?:^|[^\w.])(?:from\s*|import\s*\(?\s*)"(\.[^"]+)"/g;

interface Import {
  target: string;
  line: number;
}

/**
 * Checks modules, given by path relative to the root of the project. Returns one message per offense, as `file:line:
 * …`.
 */
export function findOffenses(modules: ReadonlyMap<string, string>): string[] {
  const graph = new Map([...modules].map(([path, text]) => [path, importsOf(path, text)]));
  const offenses: string[] = [];
  for (const [path, imports] of graph) {
    const own = indexIn(ROOMS, path);
    if (own === -1) {
      offenses.push(`${path}: is in no room: the rooms are ${ROOMS.join(", ")}`);
      continue;
    }
    const ownLayer = indexIn(CLI_LAYERS, path);
    for (const { target, line } of imports) {
      const targetLayer = indexIn(CLI_LAYERS, target);
      if (targetLayer !== -1 && targetLayer < ownLayer) {
        const layers = `${CLI_LAYERS[targetLayer]} is above ${CLI_LAYERS[ownLayer]}`;
        offenses.push(`${path}:${line}: imports ${target}, but ${layers}`);
      }
      const below = indexIn(ROOMS, target);
      if (below === -1) offenses.push(`${path}:${line}: imports ${target}, which is in no room`);
      else if (below < own) {
        offenses.push(`${path}:${line}: imports ${target}, but ${ROOMS[below]} is above ${ROOMS[own]}`);
      }
    }
  }
  for (const cycle of findCycles(graph)) {
    const { line } = graph.get(cycle[0]!)!.find(({ target }) => target === cycle[1])!;
    offenses.push(`${cycle[0]}:${line}: import cycle: ${cycle.join(" -> ")}`);
  }
  return offenses;
}

function importsOf(path: string, text: string): Import[] {
  // Removes only comments at the start of a line, as a string may contain text that looks like one.
  const code = text.replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, (comment) => comment.replace(/[^\n]/g, " "));
  return [...code.matchAll(IMPORT)].map((match) => ({
    target: normalize(join(dirname(path), match[1]!)),
    line: code.slice(0, match.index + match[0].length).split("\n").length,
  }));
}

/** Returns the index of the room or layer that contains a module, or -1. */
function indexIn(layers: readonly string[], path: string): number {
  return layers.findIndex((layer) => path === layer || path.startsWith(`${layer}/`));
}

/** Returns the import cycles, each as a path that ends where it starts. */
function findCycles(graph: ReadonlyMap<string, Import[]>): string[][] {
  const cycles: string[][] = [];
  const visited = new Set<string>();
  const visit = (path: string, trail: string[]): void => {
    const begin = trail.indexOf(path);
    if (begin !== -1) cycles.push([...trail.slice(begin), path]);
    if (begin !== -1 || visited.has(path)) return;
    for (const { target } of graph.get(path) ?? []) visit(target, [...trail, path]);
    visited.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return cycles;
}

/** Reads all modules outside of {@linkcode UNPUBLISHED}. */
async function readModules(root: string): Promise<Map<string, string>> {
  const entries = await readdir(root, { withFileTypes: true });
  const names = entries.filter(({ name }) => !/^\.|^node_modules$/.test(name) && !UNPUBLISHED.includes(name));
  const paths = (await Promise.all(names.map(async (entry) => {
    if (!entry.isDirectory()) return [entry.name];
    const inside = await readdir(join(root, entry.name), { recursive: true });
    return inside.map((path) => `${entry.name}/${path}`);
  }))).flat().filter((path) => path.endsWith(".ts"));
  return new Map(
    await Promise.all(
      paths.sort().map(async (path): Promise<[string, string]> => [path, await readFile(join(root, path), "utf8")]),
    ),
  );
}

if (import.meta.main) {
  const offenses = findOffenses(await readModules(fileURLToPath(new URL("..", import.meta.url))));
  for (const offense of offenses) console.error(offense);
  if (offenses.length > 0) process.exit(1);
}
