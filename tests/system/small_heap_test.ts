import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert/equals";
import { keepHeapSmall } from "../../system/small_heap.ts";
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

// Only Bun delays collections.
const { Bun: bun } = globalThis as { Bun?: { gc(isSynchronous: boolean): unknown } };
if (bun) {
  test("a program with a small heap collects garbage each time its memory has grown", async () => {
    const { gc } = bun;
    let collections = 0;
    bun.gc = () => collections++;
    try {
      keepHeapSmall();
      const held: Uint8Array[] = [];
      for (const expected of [1, 2]) {
        while (collections < expected) {
          held.push(new Uint8Array(8 * 1024 ** 2).fill(expected));
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
      assertEquals(held.every((bytes) => bytes.at(-1)! > 0), true);
    } finally {
      bun.gc = gc;
    }
  });
}
