import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import { GrowingFile } from "../../isolate/growing_file.ts";
import { collect, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Calls a function with a growing file that has the given text. */
async function withFile(text: string, use: (file: GrowingFile, path: string) => Promise<void>): Promise<void> {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "file");
    await writeFile(path, text);
    await use(new GrowingFile(path), path);
  });
}

const textOf = (chunks: readonly Uint8Array[]) => chunks.map((chunk) => new TextDecoder().decode(chunk)).join("");

test("GrowingFile yields announced bytes only, and waits for the next ones", async () => {
  await withFile("123456", async (file, path) => {
    const chunks = file.chunks();
    const first = chunks.next();
    file.announce(2);
    assertEquals(textOf([(await first).value!]), "12");
    let isThere = false;
    const second = chunks.next().finally(() => isThere = true);
    await new Promise((resolve) => setImmediate(resolve));
    assertEquals(isThere, false);
    await appendFile(path, "789");
    file.announce(8);
    assertEquals(textOf([(await second).value!]), "345678");
    const last = chunks.next();
    file.complete();
    assertEquals((await last).done, true);
  });
});

test("GrowingFile yields large files in chunks", async () => {
  const text = "0123456789".repeat(100_000);
  await withFile(`${text}more`, async (file) => {
    file.announce(text.length);
    file.complete();
    const sizes: number[] = [];
    const chunks: Uint8Array[] = [];
    for await (const chunk of file.chunks()) {
      sizes.push(chunk.length);
      chunks.push(chunk.slice());
    }
    assertEquals(sizes.length > 1, true);
    assertEquals(textOf(chunks) === text, true);
  });
});

test("GrowingFile accepts only growing sizes before its end", async () => {
  await withFile("abc", async (file) => {
    file.announce(3);
    assertThrows(() => file.announce(2), RangeError, "Cannot read the file: its size changed from 3 bytes to 2 bytes");
    file.complete();
    assertThrows(() => file.announce(4), RangeError, "its size changed from 3 bytes (complete) to 4 bytes");
    assertEquals(textOf(await collect(file.chunks())), "abc");
  });
});

test("GrowingFile fails when the file has fewer bytes than announced", async () => {
  await withFile("abc", async (file) => {
    file.announce(4);
    await assertRejects(() => collect(file.chunks()), Error, "Cannot read the file: it has 3 bytes instead of 4");
  });
});
