import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import fc from "fast-check";
import { idOfGroup, idOfValue, idOfValues } from "../../../cli/each/task_id.ts";
import { UniqueIds } from "../../../cli/each/unique_ids.ts";
import type { InputFlags } from "../../../cli/each/flags.ts";
import { lacks, shell } from "../../support/helpers.ts";
import { sourcesOf, tasksOf } from "../../support/each_input.ts";
import { test } from "../../support/test.ts";

test("the id of a value is the value, unless it is not UTF-8 or ambiguous", () => {
  const cases: [value: string, id: string][] = [
    ["a b", "a b"],
    ["", ""],
    ["x\ny", "x\ny"],
    ["café 😀", "café 😀"],
    ["caf\udce9", "$'caf\\351'"],
    ["\udcff'\\\n\t\r\x7f", "$'\\377\\'\\\\\\n\\t\\015\\177'"],
    ["$'x'", "$'$\\'x\\''"],
    ["a (2)", "$'a (2)'"],
    ["a (b)", "a (b)"],
    ["a (2) ", "a (2) "],
  ];
  for (const [value, id] of cases) assertEquals(idOfValue(value), id);
});

test("the id of several values has them as words of a shell", () => {
  assertEquals(
    idOfValues(["a", "b c", "", "it's", "-x=1", "é", "*", "a\nb", "\udce9"]),
    [
      ...["a", "'b c'", "''", "'it'\\''s'", "-x=1", "'é'", "'*'", "$'a\\nb'", "$'\\351'"],
    ].join(" "),
  );
});

/** Values with the characters that ids escape, among them bytes that are not UTF-8. */
const VALUE = fc.array(
  fc.constantFrom(
    "a",
    "b",
    " ",
    "'",
    "\\",
    "$'",
    "(2)",
    " (2)",
    "\n",
    "\t",
    "n",
    "3",
    "351",
    "\\351",
    "\udce9",
    "é",
    "😀",
    "…",
  ),
  { maxLength: 6 },
).map((parts) => parts.join(""));

/** Checks that different values have different ids, and that ids are text. */
function assertDistinct<T>(arbitrary: fc.Arbitrary<T>, idOf: (value: T) => string): void {
  const valueById = new Map<string, string>();
  for (const value of fc.sample(arbitrary, { numRuns: 20_000, seed: 5 })) {
    const id = idOf(value);
    assert(id.isWellFormed(), JSON.stringify(id));
    const known = valueById.get(id);
    assert(
      known === undefined || known === JSON.stringify(value),
      `${id} is the id of ${known} and ${JSON.stringify(value)}`,
    );
    valueById.set(id, JSON.stringify(value));
  }
  assert(valueById.size > 2_000);
}

test("different values have different ids", () => {
  assertDistinct(VALUE, idOfValue);
  assertDistinct(fc.array(VALUE, { minLength: 1, maxLength: 4 }), idOfValues);
  assertDistinct(fc.array(VALUE, { minLength: 1, maxLength: 60 }), idOfGroup);
});

test("the words of an id are the values in bash", async () => {
  if (lacks("bash")) return;
  const groups = fc.sample(fc.array(VALUE.filter((value) => value.isWellFormed()), { minLength: 1, maxLength: 4 }), {
    numRuns: 300,
    seed: 6,
  });
  const script = groups.map((values) => `printf '%s\\0' ${idOfValues(values)}\n`).join("");
  const { stdout } = await shell("bash", { stdin: script });
  assertEquals(stdout, groups.map((values) => values.map((value) => `${value}\0`).join("")).join(""));
});

test("the id of many values has at most 200 characters, and a digest of all", () => {
  assertEquals(idOfGroup(["a", "b"]), "a b");
  const values = Array.from({ length: 5_000 }, (_, index) => `value ${index}`);
  const id = idOfGroup(values);
  assertMatch(id, /^'value 0' … 'value 4999' \(5,000 values, [0-9a-f]{16}\)$/);
  assert(id !== idOfGroup(values.with(7, "other")));
  const long = "x".repeat(1_000_000);
  assertMatch(idOfGroup([long]), /^'x{60}…' … 'x{60}…' \(1 value, [0-9a-f]{16}\)$/);
  assert(idOfGroup([long]) !== idOfGroup([`${long}x`]));
});

test("repeated ids have numbers, which no value can have", () => {
  const ids = new UniqueIds();
  const added = ["a", "b", "a", idOfValue("a (2)"), "a", "x".repeat(99), "x".repeat(99)].map((id) => ids.add(id));
  assertEquals(added, ["a", "b", "a (2)", "$'a (2)'", "a (3)", "x".repeat(99), `${"x".repeat(99)} (2)`]);
  const many = new UniqueIds();
  for (let round = 1; round <= 2; round++) {
    for (let index = 0; index < 5_000; index++) {
      assertEquals(many.add(`${index}`), round === 1 ? `${index}` : `${index} (2)`);
    }
  }
});

test("the ids of a run do not depend on the order of its values", async () => {
  const idsOf = async (items: string[], flags: InputFlags) => {
    const tasks = await tasksOf(["echo"], { sources: [{ separator: ":::", items }], flags, hasUniqueIds: true });
    return tasks.map(({ id }) => id as string);
  };
  const items = ["a", "b b", "a", "a (2)", "", "c,d", "", "a"];
  for (const flags of [{}, { colsep: "," }]) {
    const ids = await idsOf(items, flags);
    assertEquals(new Set(ids).size, items.length);
    assertEquals((await idsOf(items.toReversed(), flags)).toSorted(), ids.toSorted());
  }
  const product = await tasksOf(["echo"], { sources: sourcesOf("::: a b", "::: 1 2") });
  assertEquals(product.map(({ id }) => id), ["a 1", "a 2", "b 1", "b 2"]);
  const withoutFile = await tasksOf(["echo"], { sources: sourcesOf("::: a a") });
  assertEquals(withoutFile.map(({ id }) => id), ["a", "a"]);
});
