import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertStringIncludes } from "@std/assert/string-includes";
import fc from "fast-check";
import type { TaskResult } from "../../mod.ts";
import { dotLines } from "../../report/drawing/dot.ts";
import { Drawing } from "../../report/drawing/drawing.ts";
import { mermaidLines } from "../../report/drawing/mermaid.ts";
import { ResultGraph } from "../../report/workflow/result_graph.ts";
import { factsOf } from "../../results/statistics/results_reader.ts";
import { printable } from "../../text/excerpt.ts";
import { jsonLines, lacks, resultAt, resultWith, taskFile, taskrunner, withTempDirectory } from "../support/helpers.ts";
import { TIMEOUT } from "../support/test.ts";
import { test } from "../support/test.ts";

const WITH_GRAPHVIZ = { ...TIMEOUT, skip: lacks("dot") };

/** Ids that mean something in DOT, in Mermaid, in Markdown or in HTML. */
const STRANGE_IDS = [
  ...[
    '"',
    "\\",
    '\\"',
    "\\N",
    "a\nb",
    "\0",
    "",
    "<script>alert(1)</script>",
    "&amp;",
    "&#65;",
    "#35;",
    "1. list",
    "- item",
  ],
  ...[
    "**bold**",
    "`code`",
    "$$x$$",
    "end",
    "fa:fa-car",
    "日本語",
    "é😀",
    "style a:b #x;",
    "classDef x:y #z;",
    "%% c",
    "{x}",
  ],
  ...[
    "[y]",
    "(z)",
    "|p|",
    "--> b",
    "\u202ertl",
    " blank ",
    "two  blanks",
    "x@{ shape: rect }",
    ";",
    "\ud800",
    "subgraph",
  ],
];

interface DrawnGraph {
  tasks: { id: string; after: string[]; runIf?: "ok" | "failed" | "done" }[];
}

const anyGraph: fc.Arbitrary<DrawnGraph> = fc.uniqueArray(
  fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(...STRANGE_IDS)),
  { minLength: 1, maxLength: 12 },
).chain((ids) =>
  fc.tuple(...ids.map((id) =>
    fc.record({
      id: fc.constant(id),
      after: fc.array(fc.constantFrom(...ids, "missing"), { maxLength: 3 }),
      runIf: fc.constantFrom("ok" as const, "failed" as const, "done" as const),
    })
  ))
).map((tasks) => ({ tasks }));

function drawingOf({ tasks }: DrawnGraph, results?: readonly TaskResult[]): Drawing {
  const graph = new ResultGraph();
  for (const result of results ?? []) graph.add(factsOf(result));
  const drawing = new Drawing(results && graph);
  for (const task of tasks) drawing.add(task);
  return drawing;
}

/** Returns the text of an id in a box. */
function textOf(id: string): string {
  const shown = printable(id.length > 200 ? `${id.slice(0, 200).replace(/[\ud800-\udbff]$/, "")}…` : id);
  return id === "" ? '""' : shown.toWellFormed();
}

/** Returns the expected boxes and arrows: `FROM > TO CONDITION`, each once, with the texts of the ids. */
function expectedOf({ tasks }: DrawnGraph): { boxes: string[]; arrows: string[] } {
  const known = new Set(tasks.map(({ id }) => id));
  const missing = new Set(tasks.flatMap(({ after }) => after).filter((id) => !known.has(id)));
  const condition = (runIf = "ok") => runIf === "ok" ? "" : ` ${runIf}`;
  return {
    boxes: [...[...known].map(textOf), ...[...missing].map((id) => `${textOf(id)}\nnot in the file`)].sort(),
    arrows: tasks.flatMap(({ id, after, runIf }) =>
      [...new Set(after)].map((other) => `${textOf(other)} > ${textOf(id)}${condition(runIf)}`)
    ).sort(),
  };
}

/** Decodes the entities of XML. */
function decoded(xml: string): string {
  const names: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"' };
  return xml.replace(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (_, decimal, hex, name) => {
    return name ? names[name]! : String.fromCodePoint(decimal ? Number(decimal) : Number.parseInt(hex, 16));
  }).replaceAll("\u00a0", " ");
}

/** Draws a graph in DOT with Graphviz. Returns the texts of the boxes and arrows in the picture. */
function drawnByGraphviz(dot: string): { boxes: string[]; arrows: string[] } {
  const svg = execFileSync("dot", ["-Tsvg"], { input: dot, encoding: "utf8", stdio: "pipe" });
  const groups = [...svg.matchAll(/<g id="[^"]*" class="(node|edge)">\n<title>([^<]*)<\/title>([^]*?)<\/g>/g)];
  const texts = (xml: string) => [...xml.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text]) => decoded(text!));
  const nodes = new Map<string, string>();
  for (const [, kind, title, xml] of groups) if (kind === "node") nodes.set(title!, texts(xml!).join("\n"));
  const arrows = groups.filter(([, kind]) => kind === "edge").map(([, , title, xml]) => {
    const [from, to] = decoded(title!).split("->").map((name) => nodes.get(name)!.replace("\nnot in the file", ""));
    return [`${from} > ${to}`, ...texts(xml!)].join(" ");
  });
  return { boxes: [...nodes.values()].sort(), arrows: arrows.sort() };
}

/** Reads a flowchart of Mermaid: only the forms that this tool writes. Returns the texts of its boxes and arrows. */
function readMermaid(text: string): { boxes: string[]; arrows: string[]; classes: string[] } {
  const lines = text.split("\n");
  assertEquals(lines.splice(0, 2), ["%% Generated by taskrunner", "flowchart LR"]);
  assertEquals(lines.pop(), "");
  const [nodes, arrows, classes] = [new Map<string, string>(), [] as string[], [] as string[]];
  // In quotes, letters, digits, single blanks, the code points of other characters, and line breaks.
  const label = String.raw`((?:[\p{L}\p{N}]|(?<=[^ ]) (?=[^ ])|#\d+;|<br\/>)+)`;
  for (const line of lines) {
    const node = new RegExp(`^  (n\\d+)\\["${label}"\\](?::::([a-z-]+))?$`, "u").exec(line);
    if (node) {
      assert(arrows.length === 0 && !nodes.has(node[1]!), "boxes come first, each once");
      const code = (_: string, decimal: string) => String.fromCodePoint(Number(decimal));
      nodes.set(node[1]!, node[2]!.replaceAll("<br/>", "\n").replace(/#(\d+);/g, code));
      if (node[3]) classes.push(`${nodes.get(node[1]!)}: ${node[3]}`);
      continue;
    }
    const edge = /^ {2}(n\d+) (-->|==>|-\.->|(?:==>|-\.->)\|(failed|done)\|) (n\d+)$/.exec(line);
    if (edge) {
      const [from, to] = [edge[1]!, edge[4]!].map((name) => nodes.get(name)!.replace("\nnot in the file", ""));
      arrows.push(`${from} > ${to}${edge[3] ? ` ${edge[3]}` : ""}`);
      continue;
    }
    assertMatch(
      line,
      /^ {2}(classDef [a-z-]+ (?:(?:fill|stroke|color|stroke-width|stroke-dasharray):#?[\da-fpx]+,?)+|class n\d+ critical)$/,
    );
  }
  return { boxes: [...nodes.values()].sort(), arrows: arrows.sort(), classes };
}

test("Graphviz draws each id as its text, and each prerequisite as an arrow", WITH_GRAPHVIZ, () => {
  const tasks = STRANGE_IDS.map((id, index) => ({ id, after: index === 0 ? [] : [STRANGE_IDS[index - 1]!] }));
  const drawn = drawnByGraphviz([...dotLines(drawingOf({ tasks }))].join(""));
  assertEquals(drawn, expectedOf({ tasks }));
  fc.assert(
    fc.property(anyGraph, (graph) => {
      const { boxes, arrows } = drawnByGraphviz([...dotLines(drawingOf(graph))].join(""));
      assertEquals({ boxes, arrows }, expectedOf(graph));
    }),
    { numRuns: 20 },
  );
});

test("a flowchart for Mermaid has each id as its text, and each prerequisite as an arrow", () => {
  const tasks = STRANGE_IDS.map((id, index) => ({ id, after: index === 0 ? [] : [STRANGE_IDS[index - 1]!] }));
  for (const graph of [{ tasks }, ...fc.sample(anyGraph, 200)]) {
    const { boxes, arrows } = readMermaid([...mermaidLines(drawingOf(graph))].join(""));
    assertEquals({ boxes, arrows }, expectedOf(graph));
  }
});

const WORKFLOW = [
  { id: "build", cmd: "make" },
  { id: "lint", cmd: "true" },
  { id: "test", cmd: "make check", after: ["build", "lint"] },
  { id: "publish", cmd: "true", after: "test" },
  { id: "notify", cmd: "true", after: ["test", "gone", "never"], runIf: "failed" },
  { id: "alone", cmd: "true" },
  { id: 7, cmd: "true", after: [7] },
];

function results(): TaskResult[] {
  const earlierAttempts = [
    { status: 1, outcome: "failed", slot: 1, startedAt: "2026-11-30T08:00:01.000Z", durationMs: 500, stderrEnd: "" },
  ] as const;
  const skipped = { outcome: "skipped", status: null, attempts: 0, slot: 0 } as const;
  return [
    resultAt("build", 0, 1_000),
    resultAt("lint", 0, 10),
    resultAt("gone", 0, 10),
    resultAt("unrelated", 0, 10),
    resultAt("test", 2_000, 500, { outcome: "failed", attempts: 2, earlierAttempts, after: ["build", "lint"] }),
    resultAt("publish", 2_500, 0, { ...skipped, after: ["test"] }),
    resultAt("notify", 2_500, 10, { after: ["test", "gone"] }),
  ];
}

test("graph draws outcomes, durations and the critical path of a run", async () => {
  await withTempDirectory(async (directory) => {
    const tasks = await taskFile(directory, WORKFLOW);
    const run = await taskFile(directory, results(), "results.jsonl");
    const dot = await taskrunner(["graph", tasks, run]);
    assertEquals([dot.status, dot.stderr], [0, ""]);
    const border = 'color="#2f9e6e" fillcolor="#c1e2d4"';
    assertEquals(dot.stdout.split("\n").slice(4, -2), [
      `  n0 [label="build\\nok, 1.0 s" ${border} penwidth=3];`,
      `  n1 [label="lint\\nok, 10 ms" ${border}];`,
      `  n2 [label="test\\nfailed, 1.0 s, 2 attempts" color="#dc4c4c" fillcolor="#f5c9c9" penwidth=3];`,
      '  n3 [label="publish\\nskipped" color="#8a8f3c" fillcolor="#dcddc5"];',
      `  n4 [label="notify\\nok, 10 ms" ${border} penwidth=3];`,
      `  n5 [label="gone\\nnot in the file: ok, 10 ms" ${border} style="rounded,filled,dashed"];`,
      '  n6 [label="never\\nnot in the file" style="rounded,filled,dashed"];',
      '  n7 [label="alone"];',
      '  n8 [label="7"];',
      '  n0 -> n2 [penwidth=3 color="#1b2430"];',
      "  n1 -> n2;",
      "  n2 -> n3;",
      '  n2 -> n4 [style=dashed label="failed" penwidth=3 color="#1b2430"];',
      '  n5 -> n4 [style=dashed label="failed"];',
      '  n6 -> n4 [style=dashed label="failed"];',
      "  n8 -> n8;",
    ]);
    const mermaid = await taskrunner(["graph", "--format=mermaid", tasks, run]);
    assertEquals([mermaid.status, mermaid.stderr], [0, ""]);
    assertEquals(readMermaid(mermaid.stdout).classes, [
      "build\nok, 1.0 s: outcome-ok",
      "lint\nok, 10 ms: outcome-ok",
      "test\nfailed, 1.0 s, 2 attempts: outcome-failed",
      "publish\nskipped: outcome-skipped",
      "notify\nok, 10 ms: outcome-ok",
      "gone\nnot in the file: ok, 10 ms: outcome-ok",
      "never\nnot in the file: missing",
    ]);
    for (const line of ["n0 ==> n2", "n1 --> n2", "n2 ==>|failed| n4", "n5 -.->|failed| n4", "class n4 critical"]) {
      assertStringIncludes(mermaid.stdout, `\n  ${line}\n`);
    }
  });
});

test("graph reads tasks or results from standard input, and draws cycles", async () => {
  await withTempDirectory(async (directory) => {
    const cycle = [{ id: "a", cmd: "true", after: "b" }, { id: "b", cmd: "true", after: ["a", "a"] }];
    const piped = await taskrunner(["graph", "-"], { stdin: jsonLines(cycle) });
    assertEquals([piped.status, piped.stderr], [0, ""]);
    assertEquals(piped.stdout.split("\n").slice(4, -2), [
      '  n0 [label="a"];',
      '  n1 [label="b"];',
      "  n1 -> n0;",
      "  n0 -> n1;",
    ]);
    const tasks = await taskFile(directory, cycle);
    const { stdout } = await taskrunner(["graph", tasks, "-"], { stdin: jsonLines([resultWith({ id: "b" })]) });
    assertStringIncludes(stdout, 'label="b\\nok, 1.5 ms"');
  });
});

test("graph draws the first of tasks with the same id, and names the others", async () => {
  const stdin = jsonLines(
    [1, 2, 3, 4, 1, 1].map((id) => ({ id, cmd: "true", after: "z" })).concat(
      [2, 3, 4].map((id) => ({ id, cmd: "true", after: "y" })),
    ),
  );
  const { status, stdout, stderr } = await taskrunner(["graph", "-"], { stdin });
  assertEquals(status, 0);
  assertEquals(stdout.match(/->/g)!.length, 4);
  assertEquals(
    stderr,
    'taskrunner: of tasks with the same id, the graph shows the first only: "1", "2", "3" and 1 more\n',
  );
});

test("graph says what to do with a graph that is too large to draw", async () => {
  const stdin = jsonLines(
    Array.from({ length: 10_001 }, (_, index) => ({ cmd: "true", id: index, after: [index + 1] })),
  );
  const dot = await taskrunner(["graph", "-"], { stdin });
  assertEquals(dot.status, 0);
  assertEquals(dot.stdout.split("\n").length, 5 + 10_002 + 10_001 + 1);
  assertMatch(dot.stderr, /^taskrunner: the graph has 10,002 tasks, .*sfdp.*grep\n$/);
  const mermaid = await taskrunner(["graph", "-", "--format", "mermaid"], { stdin });
  assertMatch(
    mermaid.stderr,
    /^taskrunner: Mermaid does not draw .* 10,001 edges .*maxEdges and maxTextSize.*--format dot\n$/,
  );
});

test("graph -o overwrites a graph in the same format, and no other file", async () => {
  await withTempDirectory(async (directory) => {
    const tasks = await taskFile(directory, WORKFLOW);
    const output = join(directory, "tasks.dot");
    await writeFile(output, "");
    for (let times = 0; times < 2; times++) {
      assertEquals((await taskrunner(["graph", tasks, "-o", output])).status, 0);
      assertEquals(await readFile(output, "utf8"), (await taskrunner(["graph", tasks])).stdout);
    }
    const { status, stderr } = await taskrunner(["graph", tasks, "-o", output, "--format", "mermaid"]);
    assertEquals(status, 255);
    assertStringIncludes(stderr, "it exists and is not a graph in this format");
  });
});

test("graph refuses wrong operands and files without tasks or results", async () => {
  await withTempDirectory(async (directory) => {
    const tasks = await taskFile(directory, WORKFLOW);
    const empty = await taskFile(directory, [], "empty.jsonl");
    const invalid = await taskFile(directory, [{ cmd: "true" }, { cmd: "true", after: "x" }], "invalid.jsonl");
    const cases: [args: string[], message: string][] = [
      [[], "Missing TASKS.jsonl: the task file to draw"],
      [["-", "-"], "Cannot read both tasks and results from standard input: give the path of one"],
      [["a", "b", "c"], 'Expected a task file and a results file, got "a" and "b" and "c"'],
      [[empty], 'empty.jsonl": there are no tasks'],
      [[tasks, empty], 'empty.jsonl": there are none'],
      [[invalid], "invalid.jsonl:2: "],
      [[tasks, "--format", "svg"], '--format must be dot or mermaid, got "svg"'],
    ];
    for (const [args, message] of cases) {
      const { status, stdout, stderr } = await taskrunner(["graph", ...args]);
      assertEquals([status, stdout], [255, ""]);
      assertStringIncludes(stderr, message);
    }
  });
});
