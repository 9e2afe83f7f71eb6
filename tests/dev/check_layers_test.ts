import { assertEquals } from "@std/assert/equals";
import { findOffenses } from "../../dev/check_layers.ts";
import { test } from "../support/test.ts";

const offensesOf = (modules: Record<string, string>) => findOffenses(new Map(Object.entries(modules)));

test("findOffenses() names the file and the line of an import from a room above", () => {
  const text =
    '/** Not this: import "../cli/io.ts". */\nimport { a } from "../jsonl/mod.ts";\nimport type {\n  Io,\n} from "../cli/io.ts";\n';
  assertEquals(offensesOf({ "records/task.ts": text, "jsonl/mod.ts": "", "cli/io.ts": "" }), [
    "records/task.ts:5: imports cli/io.ts, but cli is above records",
  ]);
});

test("findOffenses() names an import from a layer of the command above", () => {
  const modules = { "cli/args/a.ts": 'import "../command.ts";\nimport "../io.ts";\nimport "../other.ts";' };
  assertEquals(offensesOf(modules), ["cli/args/a.ts:1: imports cli/command.ts, but cli/command.ts is above cli/args"]);
});

test("findOffenses() finds exports from elsewhere and dynamic imports", () => {
  const modules = { "pool/a.ts": 'export * from "../nats/mod.ts";\nawait import("../runner.ts");\n' };
  assertEquals(offensesOf(modules), [
    "pool/a.ts:1: imports nats/mod.ts, but nats is above pool",
    "pool/a.ts:2: imports runner.ts, but runner.ts is above pool",
  ]);
});

test("findOffenses() finds an import cycle within a room", () => {
  const modules = {
    "pool/a.ts": 'import "./b.ts";',
    "pool/b.ts": 'import "../text/t.ts";\nimport type { C } from "./c.ts";',
    "pool/c.ts": 'import "./b.ts";',
    "text/t.ts": "",
  };
  assertEquals(offensesOf(modules), ["pool/b.ts:2: import cycle: pool/b.ts -> pool/c.ts -> pool/b.ts"]);
});

test("findOffenses() finds modules outside all rooms and imports of unpublished modules", () => {
  const modules = { "internal/a.ts": "", "cli/b.ts": 'import "../tests/support/helpers.ts";' };
  assertEquals(offensesOf(modules).map((offense) => offense.replace(/: the rooms.*/, "")), [
    "internal/a.ts: is in no room",
    "cli/b.ts:1: imports tests/support/helpers.ts, which is in no room",
  ]);
});
