/**
 * Fails when a module imports from a room above its own, when modules import each other in a circle, or when a file is in no
 * room. Imports of types count, too. `docs/architecture.md` says what each room is for.
 *
 *     deno run -A dev/check_layers.ts
 *
 * @module
 */

import { readdir, readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The rooms, from the roof down. A module may import from its own room and from those below. */
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
  "records",
  "jsonl",
  "system",
  "text",
] as const;
/** Folders that use the rooms and are not published. */
const OUTSIDE = ["dev", "tests", "examples", "docs"];

/** Static and dynamic imports, and exports from elsewhere, of modules of the project. */
const IMPORT = /(?:^|[^\w.])(?:from\s*|import\s*\(?\s*)"(\.[^"]+)"/g;

interface Import {
  target: string;
  line: number;
}

/** Checks modules, by their paths from the root of the project. Returns a line for each offense, with file and line. */
export function findOffenses(modules: ReadonlyMap<string, string>): string[] {
  const graph = new Map([...modules].map(([path, text]) => [path, importsOf(path, text)]));
  const offenses: string[] = [];
  for (const [path, imports] of graph) {
    const floor = floorOf(path);
    if (floor === -1) {
      offenses.push(`${path}: is in no room: there are ${ROOMS.join(", ")}`);
      continue;
    }
    for (const { target, line } of imports) {
      const below = floorOf(target);
      if (below === -1) offenses.push(`${path}:${line}: imports ${target}, which is in no room`);
      else if (below < floor) {
        offenses.push(`${path}:${line}: imports ${target}, but ${ROOMS[below]} is above ${ROOMS[floor]}`);
      }
    }
  }
  for (const circle of findCircles(graph)) {
    const { line } = graph.get(circle[0]!)!.find(({ target }) => target === circle[1])!;
    offenses.push(`${circle[0]}:${line}: imports itself: ${circle.join(" -> ")}`);
  }
  return offenses;
}

function importsOf(path: string, text: string): Import[] {
  // Only at the beginning of a line: a string can hold what looks like a comment.
  const code = text.replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, (comment) => comment.replace(/[^\n]/g, " "));
  return [...code.matchAll(IMPORT)].map((match) => ({
    target: normalize(join(dirname(path), match[1]!)),
    line: code.slice(0, match.index + match[0].length).split("\n").length,
  }));
}

/** The index of the room that a module is in, or -1. */
function floorOf(path: string): number {
  return ROOMS.findIndex((room) => path === room || path.startsWith(`${room}/`));
}

/** Circles among modules that import each other, each as the path that leads back to its beginning. */
function findCircles(graph: ReadonlyMap<string, Import[]>): string[][] {
  const circles: string[][] = [];
  const isDone = new Set<string>();
  const visit = (path: string, way: string[]): void => {
    const begin = way.indexOf(path);
    if (begin !== -1) circles.push([...way.slice(begin), path]);
    if (begin !== -1 || isDone.has(path)) return;
    for (const { target } of graph.get(path) ?? []) visit(target, [...way, path]);
    isDone.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return circles;
}

/** Reads the modules that are published, or should be. */
async function readModules(root: string): Promise<Map<string, string>> {
  const entries = await readdir(root, { withFileTypes: true });
  const names = entries.filter(({ name }) => !/^\.|^node_modules$/.test(name) && !OUTSIDE.includes(name));
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
