import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { PROJECT } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Documents whose paths and links must exist, so that no recipe names a file that has moved. */
const DOCUMENTS = ["CONTRIBUTING.md", "SECURITY.md"];
/** Their links must exist; the paths that they name can be those of an earlier version, or begin in a room. */
const LINKING_DOCUMENTS = [...DOCUMENTS, "CHANGELOG.md", "docs/architecture.md"];

/** Paths in code spans from the root of the project, such as `cli/main.ts` and `tests/cli/`, without placeholders. */
function pathsIn(text: string): string[] {
  return [...text.matchAll(/`([\w.]+(?:\/[\w.]+)*\/(?:[\w.]+\.(?:ts|json|txt))?|\.?[\w]+\/[\w]+)`/g)].map(([, path]) =>
    path!
  )
    .filter((path) => !/[A-Z]{2}/.test(path) && /[./]/.test(path));
}

/** Folders that tasks create. */
const CREATED = ["dist/"];

test("every file and folder that the documents for contributors name exists", async () => {
  const paths = (await Promise.all(DOCUMENTS.map((name) => readFile(join(PROJECT, name), "utf8")))).flatMap(pathsIn);
  assertEquals(paths.filter((path) => !CREATED.includes(path) && !existsSync(join(PROJECT, path))), []);
  assert(paths.length > 30, `${paths.length}`);
});

test("every relative link in the documents for contributors leads to a file", async () => {
  for (const name of LINKING_DOCUMENTS) {
    const text = await readFile(join(PROJECT, name), "utf8");
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, link]) => link!);
    assertEquals(links.filter((link) => !existsSync(join(PROJECT, dirname(name), link))), [], name);
    assert(links.length > 0, name);
  }
});

test("every task that CONTRIBUTING.md names is in deno.json", async () => {
  const { tasks } = JSON.parse(await readFile(join(PROJECT, "deno.json"), "utf8"));
  const text = await readFile(join(PROJECT, "CONTRIBUTING.md"), "utf8");
  const named = [...new Set([...text.matchAll(/deno task ([\w:]+)/g)].map(([, task]) => task!))];
  assertEquals(named.filter((task) => !Object.hasOwn(tasks, task)), []);
  assert(named.length > 5);
});
