import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import fc from "fast-check";
import { unescapeBytes } from "../../../cli/each/escapes.ts";
import type { InputFlags } from "../../../cli/each/flags.ts";
import { type BlockFormat, recordBlocks } from "../../../cli/each/record_blocks.ts";
import { tasksOf } from "../../support/each_input.ts";
import { test } from "../../support/test.ts";

const decoder = new TextDecoder();

async function blocksOf(stdin: string, flags: InputFlags): Promise<string[]> {
  const tasks = await tasksOf(["cat"], { flags: { pipe: true, ...flags }, stdin });
  assertEquals(tasks.map(({ id }) => id), tasks.map((_, index) => `${index + 1}`));
  return tasks.map((task) => decoder.decode(task.stdin as Uint8Array));
}

test("--pipe cuts standard input as GNU parallel does", async () => {
  const text = unescapeBytes;
  const five = "1\n2\n3\n4\n5\n";
  // As printed by: printf INPUT | parallel --pipe -k FLAGS 'echo "<"; cat; echo ">"'
  const cases: [stdin: string, flags: InputFlags, blocks: string[]][] = [
    [five, {}, [five]],
    [five, { block: 4 }, ["1\n2\n", "3\n4\n", "5\n"]],
    [five, { block: 1 }, ["1\n", "2\n", "3\n", "4\n", "5\n"]],
    [five, { block: 5 }, ["1\n2\n", "3\n4\n", "5\n"]],
    [five.trim(), { "max-args": 2 }, ["1\n2\n", "3\n4\n", "5"]],
    ["a;b;c;d", { recend: text(";"), "max-args": 2 }, ["a;b;", "c;d"]],
    [">a\n1\n>b\n2\n>c\n3\n", { recstart: text(">"), recend: text("\\n"), "max-args": 1 }, [
      ...[">a\n1\n", ">b\n2\n", ">c\n3\n"],
    ]],
    [">a\n1\n>b\n2\n>c\n3\n", { recstart: text(">"), block: 6 }, [">a\n1\n", ">b\n2\n", ">c\n3\n"]],
    [">a\n1\n>b\n2\n>c\n3\n", { recstart: text(">"), "max-args": 2 }, [">a\n1\n>b\n2\n", ">c\n3\n"]],
    ["a\n\nb\nc\n\nd", { recend: text("\\n\\n"), block: 3 }, ["a\n\n", "b\nc\n\n", "d"]],
    ["abcdefgh", { recend: text(""), block: 3 }, ["abc", "def", "gh"]],
    ["", {}, []],
  ];
  for (const [stdin, flags, blocks] of cases) assertEquals(await blocksOf(stdin, flags), blocks);
});

test("with --header, every block of --pipe begins with the first line", async () => {
  assertEquals(await blocksOf("h\n1\n2\n3", { header: true, "max-args": 2 }), ["h\n1\n2\n", "h\n3"]);
  assertEquals(await blocksOf("h\n", { header: true }), []);
  assertEquals(await blocksOf("h", { header: true }), []);
});

test("blocks do not depend on chunks, have whole records and the right size", async () => {
  const bytes = fc.array(fc.constantFrom("a", ";", ">", "\n"), { maxLength: 40 }).map((parts) => parts.join(""));
  const formats = fc.record({
    ends: fc.constantFrom([";", ""], ["\n", ">"], ["", ">"], [";;", ""], ["", ">a"], ["\n;", ">"], ["", ""]),
    size: fc.oneof(
      fc.record({ records: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ bytes: fc.integer({ min: 1, max: 9 }) }),
    ),
  });
  await fc.assert(
    fc.asyncProperty(
      bytes,
      formats,
      fc.integer({ min: 1, max: 9 }),
      async (text, { ends: [end, start], size }, chunk) => {
        fc.pre(end !== "" || start !== "" || "bytes" in size); // bytes are not counted
        const encoder = new TextEncoder();
        const all = encoder.encode(text);
        const chunks = Array.from(
          { length: Math.ceil(all.length / chunk) },
          (_, index) => all.subarray(index * chunk, (index + 1) * chunk),
        );
        const format: BlockFormat = {
          recordEnd: encoder.encode(end),
          recordStart: encoder.encode(start),
          size,
          hasHeader: false,
        };
        const read = async (source: Uint8Array[]) =>
          (await Array.fromAsync(recordBlocks(source, format))).map((block) => decoder.decode(block));
        const blocks = await read(chunks);
        assertEquals(blocks, await read([all]));
        assertEquals(blocks.join(""), text);
        for (const [index, block] of blocks.entries()) {
          const next = blocks[index + 1];
          if (next !== undefined) assert(block.endsWith(end!) && next.startsWith(start!), JSON.stringify(blocks));
          // A block that is too large has one record.
          if ("bytes" in size && block.length > size.bytes) {
            const inner = block.indexOf(end! + start!, end === "" ? 1 : 0);
            assert(inner === -1 || inner + end!.length === block.length, JSON.stringify(blocks));
          }
          // A block takes all records that fit.
          if ("bytes" in size && next !== undefined) {
            const first = next.indexOf(end! + start!, end === "" ? 1 : 0);
            const record = first === -1 ? next.length : first + end!.length;
            assert(block.length + record > size.bytes || next === blocks.at(-1), JSON.stringify(blocks));
          }
        }
      },
    ),
    { numRuns: 1000 },
  );
});

test("an input that cannot be read ends a run with --pipe with the reason", async () => {
  await assertRejects(
    () => tasksOf(["cat"], { flags: { pipe: true, "arg-file": ["/nowhere"] } }),
    Error,
    'Cannot read values from "/nowhere": no such file or directory',
  );
});
