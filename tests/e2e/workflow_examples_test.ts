import { appendFile, cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import type { TaskResult } from "../../mod.ts";
import { lacks, parseResults, PROJECT, shell, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** The results that a run has added to `results.jsonl`, and its exit status. */
interface Added {
  status: number | null;
  stderr: string;
  results: TaskResult[];
}

/** Runs a shell script in the root directory of the project, with a directory as `$work`. Fails when the script crashes. */
async function inProject(script: string, work: string, env: Record<string, string> = {}): Promise<Added> {
  const path = join(work, "results.jsonl");
  const before = await readFile(path, "utf8").catch(() => "");
  const { status, stdout, stderr } = await shell(`set -eu\n${script}`, { cwd: PROJECT, env: { work, ...env } });
  assertEquals(stdout, "");
  const after = await readFile(path, "utf8");
  assert(after.startsWith(before), "a result has changed");
  return { status, stderr, results: parseResults(after.slice(before.length)) };
}

/** Returns the outcome by id; of an id that ends with a checksum or a time, without that. */
function outcomesOf(results: readonly TaskResult[]): Record<string, string> {
  const suffix = / (?:[0-9a-f]{12}|\d{4}-\S+Z)$/;
  return Object.fromEntries(results.map(({ id, outcome }) => [id.replace(suffix, ""), outcome]).sort());
}

const errorOf = (results: readonly TaskResult[], name: string) =>
  results.find(({ id }) => id.startsWith(name))!.error ?? "";

const BUILD = `
  $RUNTIME examples/build/tasks.ts "$work/project" >"$work/tasks.jsonl"
  $RUNTIME cli.ts -q -j4 "$work/tasks.jsonl" -o "$work/results.jsonl" --resume-failed`;

test("build skips what depends on a file that does not compile, and then runs what has changed", async () => {
  if (lacks("cc")) return;
  await withTempDirectory(async (work) => {
    const project = join(work, "project");
    await cp(join(PROJECT, "examples/build/project"), project, { recursive: true });
    const words = join(project, "src/words.c");
    const right = await readFile(words, "utf8");

    await writeFile(words, right.replace("long words = 0;", "long words = 0"));
    const broken = await inProject(BUILD, work);
    assertEquals([broken.status, broken.stderr], [1, ""]);
    const skipped = {
      "install": "skipped",
      "link": "skipped",
      "test empty.txt": "skipped",
      "test gaps.txt": "skipped",
    };
    const others = { "compile lines.c": "ok", "compile main.c": "ok" };
    assertEquals(outcomesOf(broken.results), { ...others, ...skipped, "compile words.c": "failed" });
    for (const name of Object.keys(skipped)) assertMatch(errorOf(broken.results, name), /"compile words\.c [0-9a-f]+"/);

    await writeFile(words, right);
    const repaired = await inProject(BUILD, work);
    assertEquals([repaired.status, repaired.stderr], [0, ""]);
    const ok = { "install": "ok", "link": "ok", "test empty.txt": "ok", "test gaps.txt": "ok" };
    assertEquals(outcomesOf(repaired.results), { ...ok, "compile words.c": "ok" });

    assertEquals((await inProject(BUILD, work)).results, []);

    await appendFile(join(project, "src/count.h"), "/* a change */\n");
    const rebuilt = await inProject(BUILD, work);
    assertEquals(outcomesOf(rebuilt.results), { ...others, ...ok, "compile words.c": "ok" });
  });
});

test("build does not install a program that fails a test", async () => {
  if (lacks("cc")) return;
  await withTempDirectory(async (work) => {
    const project = join(work, "project");
    await cp(join(PROJECT, "examples/build/project"), project, { recursive: true });
    await writeFile(join(project, "tests/gaps.expected"), "4 4\n");
    const { status, results } = await inProject(BUILD, work);
    assertEquals(status, 1);
    assertEquals(outcomesOf(results.slice(-3)), {
      "install": "skipped",
      "test empty.txt": "ok",
      "test gaps.txt": "failed",
    });
    assertMatch(errorOf(results, "install"), /"test gaps\.txt [0-9a-f]+"/);
    assertEquals((await readdir(join(project, "build"))).includes("program"), false);
    assertMatch(results.find(({ id }) => id.startsWith("test gaps"))!.stdout, /^< 4 4$/m);
  });
});

const PIPELINE = `
  jq -nc --arg out "$work/output" -f examples/pipeline/tasks.jq --args "$work/input"/*.csv >"$work/tasks.jsonl"
  $RUNTIME cli.ts -q -j4 "$work/tasks.jsonl" -o "$work/results.jsonl" --resume-failed`;

test("pipeline computes the averages of the cities whose files are right, and the rest after a repair", async () => {
  if (lacks("jq")) return;
  await withTempDirectory(async (temporary) => {
    const work = join(temporary, `it's a "new" directory`);
    const input = join(work, "input");
    await mkdir(input, { recursive: true });
    await mkdir(join(work, "output"));
    const files = { "a b-1.csv": "1,2\n2,4\n", "a b-2.csv": "1,6\n", "it's-1.csv": "1,-1\n", "it's-2.csv": "one\n" };
    for (const [name, text] of Object.entries(files)) await writeFile(join(input, name), text);

    const broken = await inProject(PIPELINE, work);
    assertEquals([broken.status, broken.stderr], [1, ""]);
    assertEquals(outcomesOf(broken.results), {
      "average a b": "ok",
      "average it's": "skipped",
      "check a b-1.csv": "ok",
      "check a b-2.csv": "ok",
      "check it's-1.csv": "ok",
      "check it's-2.csv": "failed",
      "summary": "skipped",
    });
    for (const id of ["average it's", "summary"]) assertMatch(errorOf(broken.results, id), /"check it's-2\.csv"/);
    assertMatch(
      broken.results.find(({ outcome }) => outcome === "failed")!.stderr,
      /it's-2\.csv:1: not DAY,TEMPERATURE/,
    );
    assertEquals((await readdir(join(work, "output"))).filter((name) => name.endsWith(".average")), ["a b.average"]);

    await writeFile(join(input, "it's-2.csv"), "1,-2\n");
    const repaired = await inProject(PIPELINE, work);
    assertEquals(outcomesOf(repaired.results), { "average it's": "ok", "check it's-2.csv": "ok", "summary": "ok" });
    assertEquals(await readFile(join(work, "output", "summary.csv"), "utf8"), "a b,4.00\nit's,-1.50\n");
    assertEquals((await inProject(PIPELINE, work)).results, []);
  });
});

const SWEEP = `
  $RUNTIME examples/sweep/tasks.ts "$work" 3.2,4.2 |
    $RUNTIME cli.ts -q -j4 --resource license=2 -o "$work/results.jsonl" --resume-failed`;

test("sweep removes its scratch files when points fail, and makes the table when they are repeated", async () => {
  await withTempDirectory(async (work) => {
    const points = (rate: string, outcome: string) =>
      Object.fromEntries(["0.1", "0.5", "0.9"].map((start) => [`simulate ${rate}_${start}`, outcome]));
    const broken = await inProject(SWEEP, work);
    assertEquals([broken.status, broken.stderr], [3, ""]);
    assertEquals(outcomesOf(broken.results), {
      cleanup: "ok",
      ...points("3.2", "ok"),
      ...points("4.2", "failed"),
      table: "skipped",
    });
    assertMatch(errorOf(broken.results, "table"), /"simulate 4\.2_0\.1"/);
    assertEquals((await readdir(work)).sort(), ["points", "results.jsonl"]);

    const repaired = await inProject(SWEEP, work, { CLIP: "1" });
    assertEquals([repaired.status, repaired.stderr], [0, ""]);
    assertEquals(outcomesOf(repaired.results), { cleanup: "ok", ...points("4.2", "ok"), table: "ok" });
    assertEquals((await readdir(work)).sort(), ["points", "results.jsonl", "table.csv"]);
    const rows = (await readFile(join(work, "table.csv"), "utf8")).trimEnd().split("\n");
    assertEquals(rows.map((row) => row.split(",").slice(0, 2).join()), [
      ...Array(3).fill("3.2,1000"),
      ...Array(3).fill("4.2,1000"),
    ]);
  });
});
