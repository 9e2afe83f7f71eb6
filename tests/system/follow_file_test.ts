import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import fc from "fast-check";
import { followLines } from "../../system/follow_file.ts";
import { EFFORT, SEED, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

test(
  "followLines() yields whole lines of a growing file, for any lengths of lines and writes",
  async () => {
    await withTempDirectory(async (directory) => {
      const path = join(directory, "results.jsonl");
      // followLines() reads in chunks of 256 KiB.
      const line = fc.oneof(fc.nat(50), fc.integer({ min: 262_100, max: 262_200 }), fc.nat(600_000))
        .map((length) => `${"x".repeat(length)}\n`);
      await fc.assert(
        fc.asyncProperty(fc.array(line, { maxLength: 4 }), fc.nat(), fc.nat(99), async (lines, place, torn) => {
          const text = lines.join("");
          const cut = place % (text.length + 1);
          await writeFile(path, text.slice(0, cut));
          const adding = appendFile(path, text.slice(cut) + "y".repeat(torn));
          const stop = new AbortController();
          let given = "";
          if (text === "") stop.abort();
          for await (const piece of followLines(path, stop.signal)) {
            given += new TextDecoder().decode(piece);
            assert(given.endsWith("\n") && text.startsWith(given));
            if (given.length === text.length) stop.abort();
          }
          await adding;
          assertEquals(given.length, text.length);
        }),
        { numRuns: 10 * EFFORT, seed: SEED },
      );
    });
  },
);
