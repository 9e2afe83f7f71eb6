/** Compares results with lazy outputs, which stay bytes, with the same results as text. */

import { Buffer } from "node:buffer";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import fc from "fast-check";
import { JsonLinesWriter } from "../../jsonl/mod.ts";
import { encodeOutput, lazyOutput } from "../../pool/encode_output.ts";
import type { Output } from "../../pool/executor.ts";
import { toResult } from "../../pool/outcome.ts";
import type { TaskResult } from "../../records/result.ts";
import { printableJson } from "../../text/excerpt.ts";
import { lazyTextsOf } from "../../text/lazy_text.ts";
import { EFFORT, SEED } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const META = {
  id: "a\u2028",
  attempts: 1,
  slot: 1,
  startedAt: "2026-01-02T03:04:05.678Z",
  worker: undefined,
  earlierAttempts: undefined,
  cmdHash: "23579855",
  cmd: ["echo", "\u001b"],
  workflow: undefined,
};

function resultOf(stdout: Output, stderr: Output): TaskResult {
  const ending = { kind: "exited", status: 0 } as const;
  return toResult(META, { ending, durationMs: 1.5, stdout, stderr }, undefined, { meta: "m" });
}

async function written(values: readonly unknown[]): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  const writer = new JsonLinesWriter({ write: (bytes) => void parts.push(bytes.slice()) });
  for (const value of values) await writer.write(value);
  await writer.flush();
  return Buffer.concat(parts);
}

/** Fails unless a result with lazy outputs gives the same line and the same fields as a result with text. */
async function check(stdout: Uint8Array, stderr: Uint8Array): Promise<void> {
  const lazy = resultOf(lazyOutput(stdout), lazyOutput(stderr));
  const plain = resultOf(encodeOutput(stdout), encodeOutput(stderr));
  assert(lazyTextsOf(lazy) && !lazyTextsOf(plain));
  const expected = Buffer.from(`${printableJson(plain)}\n`);
  const lines = [lazy, [lazy], plain, lazy];
  const expectedLines = [expected, Buffer.from(`[${expected.toString().trimEnd()}]\n`), expected, expected];
  if (!(await written(lines)).equals(Buffer.concat(expectedLines))) {
    assertEquals((await written(lines)).toString(), Buffer.concat(expectedLines).toString());
  }
  assertEquals({ ...lazy }, plain);
  assertEquals(JSON.parse(expected.toString()).stdout, lazy.stdout);
  assertEquals(Buffer.from(lazy.stdout, lazy.stdoutEncoding).equals(stdout), true);
}

const TEXTS = ["\0", "\b\t\n\v\f\r", '"', "\\", "\x1b[1m", "\x7f", "\u0080", "\u009f", "\u00a0", "\u061c", "\u200d"];
const MORE_TEXTS = [
  "\u200e",
  "\u2028",
  "\u202e",
  "\u202f",
  "\u2066",
  "\u206a",
  "\ufeff",
  "\ufffd",
  "é",
  "“",
  "漢",
  "😀",
];
const INVALID = ["ff", "c3", "e282", "f09f98", "c080", "e08080", "eda080", "edb080", "eda080edb080", "f4908080", "80"];
const ALL = [...TEXTS, ...MORE_TEXTS].map((text) => Buffer.from(text)).concat(
  INVALID.map((hex) => Buffer.from(hex, "hex")),
);

test("a lazy output gives the same result as text: each special character at each place of a vector", async () => {
  for (const bytes of ALL) {
    const parts: Uint8Array[] = [];
    for (let before = 0; before < 34; before++) parts.push(Buffer.alloc(before, "x"), bytes);
    await check(Buffer.concat(parts), Buffer.concat([bytes, Buffer.alloc(20_000, "y"), bytes]));
  }
});

test("a lazy output gives the same result as text: without WebAssembly", async () => {
  const { WebAssembly: original } = globalThis;
  Object.assign(globalThis, { WebAssembly: undefined });
  try {
    for (const bytes of ALL) await check(Buffer.concat([Buffer.alloc(9_000, "x"), bytes]), bytes);
  } finally {
    Object.assign(globalThis, { WebAssembly: original });
  }
});

test("a lazy output gives the same result as text: runs of a character that end in any part", async () => {
  for (const text of ["x", '"', "\n", "é", "“", "漢", "😀", "\u2028", "\x1b"]) {
    for (let before = 0; before < 4; before++) {
      const bytes = Buffer.from("x".repeat(before) + text.repeat(20_000));
      await check(bytes, bytes.subarray(0, -1)); // without the last byte, perhaps not UTF-8
    }
  }
  await check(Buffer.alloc(0), Buffer.alloc(3_000_000, '"'));
});

test("a lazy output gives the same result as text: random bytes", async () => {
  const unit = fc.oneof(
    fc.constantFrom(...ALL),
    fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
    fc.tuple(fc.constantFrom("x", '"', "\n", "é", "漢", "\u2028"), fc.nat(300)).map(([text, times]) =>
      Buffer.from(text.repeat(times))
    ),
  );
  const bytes = fc.tuple(fc.array(unit, { maxLength: 12 }), fc.nat(3)).map(([units, power]) =>
    Buffer.concat(Array.from({ length: 8 ** power }, () => units).flat())
  );
  await fc.assert(fc.asyncProperty(bytes, bytes, check), { seed: SEED, numRuns: 100 * EFFORT });
});
