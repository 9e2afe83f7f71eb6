/** Tests output files, also those that a task has replaced by something else. */

import { Buffer } from "node:buffer";
import { chmodSync, existsSync, linkSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { collectOutputFile, readSmallFile, truncateOutputFile } from "../../executors/shell/output_file.ts";
import { run, type Task } from "../../mod.ts";
import { encodeOutput, lazyOutput } from "../../pool/encode_output.ts";
import type { Output } from "../../pool/executor.ts";
import { lazyTextsOf, releaseLazyTexts } from "../../text/lazy_text.ts";
import { collect, start, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const LARGE = "x".repeat(100_000);

/** Ways to replace an output file at a path. `foreign` is the path of a file that must stay unchanged. */
const REPLACEMENTS: Readonly<Record<string, (path: string, foreign: string) => Promise<void> | void>> = {
  "a FIFO": async (path) => void await start("mkfifo", [path], { stdin: "" }).ended,
  "a link to a file": (path, foreign) => symlinkSync(foreign, path),
  "a link to a device": (path) => symlinkSync("/dev/zero", path),
  "a link to itself": (path) => symlinkSync(path, path),
  "a directory": (path) => mkdirSync(path),
};

for (const [name, replace] of Object.entries(REPLACEMENTS)) {
  test(`collectOutputFile() does not open ${name} in the place of its file`, async () => {
    await withTempDirectory(async (directory) => {
      const [path, foreign] = [join(directory, "output"), join(directory, "foreign")];
      writeFileSync(foreign, LARGE, { mode: 0o640 });
      await replace(path, foreign);
      const createFile = () => Promise.reject(new Error("never"));
      for (const maxInlineBytes of [0, 1_000_000]) {
        const options = { maxInlineBytes, maxOutputBytes: 50_000, createFile, onLimit() {} };
        assertEquals(await collectOutputFile(path, options), undefined);
      }
      assertEquals([truncateOutputFile(path, 1), readSmallFile(path)], [false, undefined]);
      assertEquals([await readFile(foreign, "utf8"), statSync(foreign).mode & 0o777], [LARGE, 0o640]);
    });
  });
}

test("collectOutputFile() does not open a socket in the place of its file", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "output");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    try {
      const options = { maxInlineBytes: 10, maxOutputBytes: 10, createFile: () => Promise.reject(), onLimit() {} };
      assertEquals(await collectOutputFile(path, options), undefined);
      assertEquals([truncateOutputFile(path, 0), readSmallFile(path)], [false, undefined]);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

test("collectOutputFile() returns the bytes of an output of any size, and none of an earlier one", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "output");
    const KIB = 1024;
    const units = ["x", "é", "漢", "\u0000\n", "\ufeff"].map((text) => Buffer.from(text));
    const sizes = [
      0,
      1,
      511,
      512,
      513,
      16 * KIB - 1,
      16 * KIB,
      64 * KIB - 1,
      64 * KIB,
      64 * KIB + 1,
      KIB ** 2 - 1,
      KIB ** 2,
      KIB ** 2 + 1,
    ];
    for (const bytes of [...sizes, ...sizes.toReversed()]) {
      for (const unit of [...units, Buffer.from([0xff])]) {
        const written = Buffer.concat([
          Buffer.alloc(bytes - bytes % unit.length, unit),
          Buffer.alloc(bytes % unit.length, "y"),
        ]);
        for (const isLazy of [false, true]) {
          writeFileSync(path, written);
          const createFile = () => Promise.reject(new Error("never"));
          const options = { maxInlineBytes: 2 * KIB ** 2, maxOutputBytes: Infinity, createFile, isLazy, onLimit() {} };
          const { output, error } = (await collectOutputFile(path, options))!;
          assertEquals([error, existsSync(path)], [undefined, false]);
          assertEquals(output.encoding, unit[0] === 0xff && bytes > 0 ? "base64" : undefined);
          assertEquals(lazyTextsOf(output) !== undefined, isLazy && bytes >= 16 * KIB);
          assert(output.text === written.toString(output.encoding), `${bytes} bytes of ${unit}`);
          releaseLazyTexts(output);
        }
      }
    }
  });
});

test("collectOutputFile() overwrites the bytes of a lazy output only after its release", async () => {
  await withTempDirectory(async (directory) => {
    const path = join(directory, "output");
    const read = async (unit: string, maxInlineBytes: number) => {
      writeFileSync(path, unit.repeat(50_000));
      const target = join(directory, `${unit}${maxInlineBytes}`);
      const createFile = async () => ({ path: target, handle: await open(target, "wx", 0o600) });
      const options = { maxInlineBytes, maxOutputBytes: Infinity, createFile, isLazy: true, onLimit() {} };
      return (await collectOutputFile(path, options))!.output;
    };
    const bytesOf = (output: Output) => lazyTextsOf(output)!.text!.bytes;
    const first = await read("ab", 1e6);
    const bytes = bytesOf(first);
    const second = await read("cd", 1e6);
    assertEquals(Buffer.from(bytes.subarray(0, 4)).toString(), "abab");
    releaseLazyTexts(first);
    const third = await read("ef", 1e6);
    assertEquals(Buffer.from(bytes.subarray(0, 3)).toString(), "efe");
    const moved = await read("é", 70_001);
    assertEquals({ ...moved }, { text: "é".repeat(35_000), bytes: 100_000, file: join(directory, "é70001") });
    assert(second.text === "cd".repeat(50_000) && third.text === "ef".repeat(50_000));
  });
});

test("encodeOutput() and lazyOutput() return text exactly when the bytes are valid UTF-8", () => {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const sequences = [
    ..."\u0000 \u007f \u0080 \u07ff \u0800 \ud7ff \ue000 \uffff \ufeff \u{10000} \u{10ffff}".split(" ").map((text) =>
      Buffer.from(text)
    ),
    ...[
      "80",
      "c0 af",
      "c1 bf",
      "c2",
      "e0 80 9f",
      "e2 80 80 e2",
      "e2 80",
      "ed a0 80",
      "ed bf bf",
      "f0 80 80 af",
      "f4 8f bf",
      "f4 90 80 80",
      "ff",
    ]
      .map((hex) => Buffer.from(hex.replaceAll(" ", ""), "hex")),
  ];
  for (const sequence of sequences) {
    for (const [before, after] of [[0, 0], [511, 0], [0, 511], [65_535, 0], [65_534, 3], [100_000, 100_000]] as const) {
      const bytes = Buffer.concat([Buffer.alloc(before, "x"), sequence, Buffer.alloc(after, "y")]);
      let expected: unknown;
      try {
        expected = { text: decoder.decode(bytes) };
      } catch {
        expected = { text: bytes.toString("base64"), encoding: "base64" };
      }
      assertEquals(encodeOutput(bytes), expected);
      assertEquals({ ...lazyOutput(bytes) }, expected);
    }
  }
});

test("collectOutputFile() copies a file with a second name, and leaves its size and mode", async () => {
  await withTempDirectory(async (directory) => {
    const [path, foreign, target] = ["output", "foreign", "target"].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(foreign, LARGE);
    chmodSync(foreign, 0o644);
    linkSync(foreign, path);
    assertEquals(truncateOutputFile(path, 10), false);
    const createFile = async () => ({ path: target, handle: await open(target, "wx", 0o600) });
    const taken = await collectOutputFile(path, { maxInlineBytes: 10, maxOutputBytes: 1e9, createFile, onLimit() {} });
    assertEquals(taken, { output: { text: LARGE.slice(0, 10), bytes: LARGE.length, file: target } });
    assertEquals([existsSync(path), await readFile(foreign, "utf8"), await readFile(target, "utf8")], [
      false,
      LARGE,
      LARGE,
    ]);
    assertEquals([statSync(foreign).mode & 0o777, statSync(foreign).nlink], [0o644, 1]);
  });
});

test("collectOutputFile() copies no more than it found, although a background process appends", async () => {
  await withTempDirectory(async (directory) => {
    const [path, other, target] = ["output", "other", "target"].map((name) => join(directory, name));
    writeFileSync(path!, LARGE);
    linkSync(path!, other!); // so that the file is copied
    const createFile = async () => {
      writeFileSync(path!, LARGE, { flag: "a" });
      return { path: target!, handle: await open(target!, "wx", 0o600) };
    };
    const taken = await collectOutputFile(path!, { maxInlineBytes: 10, maxOutputBytes: 1e9, createFile, onLimit() {} });
    assertEquals(taken, { output: { text: LARGE.slice(0, 10), bytes: LARGE.length, file: target! } });
    assertEquals(await readFile(target!, "utf8"), LARGE);
  });
});

test("a task that replaces its output file gets an error, and other files stay unchanged", async () => {
  await withTempDirectory(async (directory) => {
    const foreign = join(directory, "foreign");
    writeFileSync(foreign, LARGE, { mode: 0o640 });
    const own = (descriptor: number) => `own=$(readlink /proc/$$/f?/${descriptor}); rm "$own"; `;
    const tasks: Task[] = [1, 2].flatMap((descriptor) => [
      { cmd: `${own(descriptor)}mkfifo "$own"` },
      { cmd: `${own(descriptor)}ln -s ${foreign} "$own"` },
      { cmd: `${own(descriptor)}ln -s /dev/zero "$own"; sleep 0.3` }, // until its size is checked
      { cmd: `${own(descriptor)}mkdir "$own"` },
    ]);
    const results = await collect(run([...tasks, { cmd: "echo good" }], { concurrency: 1, maxInlineBytes: 100 }));
    const error = "Cannot keep all of the output: its file was removed while the task ran";
    assertEquals(
      results.map(({ outcome, status, stdout, error }) => [outcome, status, stdout, error]),
      [...tasks.map(() => ["failed", 0, "", error]), ["ok", 0, "good\n", undefined]],
    );
    assertEquals([await readFile(foreign, "utf8"), statSync(foreign).mode & 0o777], [LARGE, 0o640]);
  });
});
