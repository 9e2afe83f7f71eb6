import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import fc from "fast-check";
import type { InputFlags } from "../../../cli/each/flags.ts";
import { commandsOf, type EachOptions, ioOf, sourcesOf } from "../../support/each_input.ts";
import { openInput } from "../../../cli/each/input.ts";
import { test } from "../../support/test.ts";

/** Returns the columns of each task. */
async function columnsOf(flags: InputFlags, options: EachOptions): Promise<string[][]> {
  const commands = await commandsOf(["echo", "{}"], { ...options, flags: { ...flags, ...options.flags } });
  return commands.map((command) => command.slice(1) as string[]);
}

test("--colsep splits values where a regular expression matches", async () => {
  const cases: [colsep: string, line: string, columns: string[]][] = [
    [",", "a,b,,", ["a", "b", "", ""]],
    ["\\t", "a b\tc", ["a b", "c"]],
    ["\\s+", "a \t b", ["a", "b"]],
    ["(,|;)", "a,b;c", ["a", "b", "c"]],
    ["\\;", "a;b", ["a", "b"]],
    ["[|]", "a|b", ["a", "b"]],
    [".", "a", ["", ""]],
    ["😀", "a😀b", ["a", "b"]],
  ];
  for (const [colsep, line, columns] of cases) {
    assertEquals(await columnsOf({ colsep }, { stdin: `${line}\n` }), [columns], colsep);
  }
});

test("columns of several sources follow one another, and missing ones are empty", async () => {
  // As printed by: parallel -k --colsep , echo {1}+{2}+{3}+{-1} …
  const options = { flags: { colsep: "," }, sources: sourcesOf("::: a,b,c d") };
  assertEquals(await commandsOf(["echo", "{1}+{2}+{3}+{-1}+{-2}"], options), [
    ["echo", "a+b+c+c+b"],
    ["echo", "d+++d+"],
  ]);
  const product = { flags: { colsep: "," }, sources: sourcesOf("::: a,b c", "::: X") };
  assertEquals(await commandsOf(["echo", "{1}+{2}+{3}"], product), [["echo", "a+b+X"], ["echo", "c+X+"]]);
});

test("rows have the columns that the header names", async () => {
  const flags = { colsep: ",", header: true } as const;
  const sources = sourcesOf("::: n,m a,b c", "::: o X");
  assertEquals(await commandsOf(["echo", "{n}+{m}+{o}"], { flags, sources }), [["echo", "a+b+X"], ["echo", "c++X"]]);
  await assertRejects(
    () => commandsOf(["echo", "{n}"], { flags, stdin: "n,m\na,b\na,b,c\n" }),
    Error,
    "standard input:3: Cannot use the value: it has 3 columns, and the header names 2",
  );
});

test("--csv reads columns as in RFC 4180", async () => {
  const stdin = '\ufeffa,"b ""x"" c",\r\n"d\ne, f",g,"h\r\ni"\r\n\n"",last';
  const commands = await commandsOf(["echo", "{}"], { flags: { csv: true }, stdin });
  assertEquals(commands, [
    ["echo", "a", 'b "x" c', ""],
    ["echo", "d\ne, f", "g", "h\r\ni"],
    ["echo", ""],
    ["echo", "", "last"],
  ]);
  const semicolons = await columnsOf({ csv: true, colsep: ";" }, { stdin: 'a,b;"c;d"\n' });
  assertEquals(semicolons, [["a,b", "c;d"]]);
  const values = [{ separator: ":::" as const, items: ['a,"b\nc"', "d"] }];
  assertEquals(await columnsOf({ csv: true }, { sources: values }), [["a", "b\nc"], ["d"]]);
});

test("invalid CSV is an error with its line", async () => {
  const cases: [csv: string, message: string][] = [
    ['a\n"b" c\n', 'standard input:2: Cannot read the record: text follows a column in quotes: "\\"b\\" c"'],
    ['a\nb"c"\n', "standard input:2: Cannot read the record: a column with a quote must be in quotes"],
    ['a\n"b\nc\n', 'standard input:2: Cannot read the record: a quote is not closed: "\\"b\\nc"'],
    [`"${"x\n".repeat(600_000)}`, "Cannot read the record: it is longer than 1 MiB; is a quote missing?"],
  ];
  for (const [stdin, message] of cases) {
    await assertRejects(() => columnsOf({ csv: true }, { stdin }), Error, message);
    const io = ioOf([new TextEncoder().encode(stdin)]);
    const input = await openInput({ flags: { csv: true }, words: ["true"], sources: [], hasUniqueIds: false }, io);
    let count = 0;
    const options = { onInvalid: "skip" as const, report: io.stderr, recorded: undefined };
    for await (const _ of input.tasks(options)) count++;
    assertEquals(io.messages[0]!.includes(message), true, io.messages[0]);
    assertEquals([input.invalid > 0, count > 0], [true, true]);
  }
});

test("every table survives as CSV", async () => {
  const cell = fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom('"', ",", "\n", "\r\n", '"",', " ")).filter(
    (text) => !text.includes("\0"),
  );
  const table = fc.array(fc.array(cell, { minLength: 1, maxLength: 4 }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(table, fc.boolean(), async (rows, isFinished) => {
      const lines = rows.map((row) => row.map((text) => `"${text.replaceAll('"', '""')}"`).join(","));
      const stdin = lines.join("\r\n") + (isFinished && rows.length > 0 ? "\r\n" : "");
      const commands = await commandsOf(["echo", "{}"], { flags: { csv: true }, stdin });
      assertEquals(commands, rows.map((row) => ["echo", ...row]));
    }),
    { numRuns: 200 },
  );
});
