import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert/equals";
import { PROJECT, RUN_MODULE, start } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Without the collection at exit, Node hangs in more than half of the runs. */
const RUNS = 8;

test("a program with a small heap exits while V8 compiles its functions", async () => {
  const program = join(PROJECT, "tests", "fixtures", "small_heap.ts");
  for (let run = 0; run < RUNS; run++) {
    const { status } = await start(process.execPath, [...RUN_MODULE, program], { stdin: "" }).ended;
    assertEquals(status, 7);
  }
});
