import { assertEquals } from "@std/assert/equals";
import { findOffenses } from "../../dev/check_prose.ts";
import { test } from "../support/test.ts";

/** The offenses without their remedies. */
const offensesOf = (text: string, path = "a.ts") =>
  findOffenses(path, text).map((offense) => offense.replace(/": .*/, '"'));

test("findOffenses() names file, line, phrase and remedy", () => {
  const text = "const a = 1;\n/** Returns the result, whatever\n * became\n * of the task. */\n";
  assertEquals(findOffenses("pool/run.ts", text), [
    'pool/run.ts:3: "became of": name the outcome, as in "the result of a task"',
  ]);
});

test("findOffenses() finds every phrase of the list, and not its correct neighbors", () => {
  const wrong = [
    "became of",
    "it came to nothing",
    "the pool is told",
    "what there is",
    "a line that is no task",
    "the run goes on",
    "at one go",
    "of its own accord",
    "as much as",
    "one more task",
    "let the file be",
    "says that",
    "know that",
    "for want of",
    "is seen whether",
    "the own certificate",
    "so many tasks",
    "takes so long",
  ];
  for (const text of wrong) assertEquals([text, offensesOf(`// ${text}`).length], [text, 1]);
  const right = [
    "that is no longer",
    "so long as",
    "so many that",
    "the owner",
    "the bell is tolled",
    "no more",
    "it says",
  ];
  for (const text of right) assertEquals([text, offensesOf(`// ${text}`)], [text, []]);
});

test("findOffenses() finds commands that would install the package of somebody else, also in code", () => {
  const wrong = [
    "npx taskrunner",
    "npx -y taskrunner run",
    "bunx taskrunner",
    "npm install -g taskrunner",
    "npm i taskrunner@1",
    "npm exec -- taskrunner",
    "pnpm dlx taskrunner",
    "bun add taskrunner",
    "deno run -A npm:taskrunner",
  ];
  for (const text of wrong) {
    const inPaper = offensesOf(`# A\n\n\`\`\`sh\n${text}\n\`\`\`\n`, "a.md");
    assertEquals([text, inPaper.length, inPaper[0]?.slice(0, 7)], [text, 1, "a.md:4:"]);
    assertEquals([text, offensesOf(`const a = \`${text}\`;`).length], [text, 1]);
  }
  for (const text of ["npx @x/taskrunner", "npx -p @x/taskrunner taskrunner", "taskrunner npx", "npm:@x/taskrunner"]) {
    assertEquals([text, offensesOf(`\`${text}\``, "a.md")], [text, []]);
  }
});

test("findOffenses() corrects British spellings", () => {
  const text =
    "colours Behaviour cancelled signalling serialise normalisation analysed centre licences whilst fulfil grey";
  const american = findOffenses("a.md", text).map((offense) => /write "(.*)"/.exec(offense)![1]);
  assertEquals(american, [
    "colors",
    "Behavior",
    "canceled",
    "signaling",
    "serialize",
    "normalization",
    "analyzed",
    "center",
    "licenses",
    "while",
    "fulfill",
    "gray",
  ]);
  assertEquals(offensesOf("hours, four, premise, exercise, controlled, fulfilled, canceled", "a.md"), []);
});

test("findOffenses() finds doc comments that begin with a question word, and no other comments", () => {
  for (const word of ["What", "How", "Whether", "Who", "Those"]) {
    const offense = `a.ts:1: a doc comment begins with "${word}"`;
    assertEquals(offensesOf(`/** ${word} it does. */`), [offense]);
    assertEquals(offensesOf(`/**\n * ${word} it does.\n */`), [offense]);
    assertEquals(offensesOf(`/* ${word} it does. */ // ${word}\n/** Returns ${word}. */ const a = "${word}";`), []);
  }
  assertEquals(offensesOf("/** However it ends. */"), []);
});

test("findOffenses() reads strings, templates and test names, but no code", () => {
  const lines = [
    'throw new Error("the run goes on");',
    'test("a task that is no object", () => {});',
    "const a = `goes ${`on ${1} is told`} on`, b = 'one more';",
    "const goes = on, one = more;",
    'const c = "goes", d = "on";',
    "/** Calls `goes on()`. ```ts\n * goes on\n * ``` */",
    'const e = "goes\\non";',
  ];
  assertEquals(offensesOf(lines.join("\n")), [
    'a.ts:1: "goes on"',
    'a.ts:2: "that is no"',
    'a.ts:3: "is told"',
    'a.ts:3: "one more"',
  ]);
});

test("findOffenses() joins the lines of a comment, and not a comment with the code after it", () => {
  assertEquals(offensesOf("// it goes\n  // on\n"), ['a.ts:1: "goes on"']);
  assertEquals(offensesOf("// it goes\non();\n"), []);
});

test("findOffenses() tells regular expressions from divisions and quotes", () => {
  const lines = [
    "const a = /[\"/]'/.test(b) / 2; // goes on",
    'return /"/g; // goes on',
    "const c = (1 + 2) / 3, d = list[0]! / 4; // goes on",
    "const e = `${{ a: 1 / 2 }}`; // goes on",
    "const f = `a\\`${g.replace(/`/g, '`')}b`; // goes on",
  ];
  assertEquals(offensesOf(lines.join("\n")), lines.map((_, index) => `a.ts:${index + 1}: "goes on"`));
});

test("findOffenses() passes over code in Markdown, and reads comments in YAML", () => {
  assertEquals(offensesOf("It goes\non.\n\n```sh\ngoes on\n```\n\n`goes on`\n", "a.md"), ['a.md:1: "goes on"']);
  assertEquals(offensesOf("name: x # it goes on\n", "ci.yml"), ['ci.yml:1: "goes on"']);
});
