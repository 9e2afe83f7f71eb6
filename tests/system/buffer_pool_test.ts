import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { BufferPool } from "../../system/buffer_pool.ts";
import { test } from "../support/test.ts";

test("BufferPool returns buffers that are large enough, and at most twice as large", () => {
  const pool = new BufferPool(0);
  for (const bytes of [0, 1, 2, 3, 4, 5, 65_535, 65_536, 65_537, 1_048_576, 33_554_432]) {
    const { length } = pool.take(bytes);
    assert(length >= bytes && length <= Math.max(1, 2 * bytes), `${length} for ${bytes}`);
  }
});

test("BufferPool reuses a buffer once it is free, for outputs of about its size", () => {
  const pool = new BufferPool(4096);
  const [one, other] = [pool.take(1024), pool.take(1000)];
  assert(one !== other);
  pool.give(one);
  assert(pool.take(2000) !== one);
  assert(pool.take(600) === one);
  assert(pool.take(600) !== one);
});

test("BufferPool keeps no more free bytes than its limit", () => {
  const pool = new BufferPool(2048);
  const buffers = [1, 2, 3].map(() => pool.take(1024));
  for (const buffer of buffers) pool.give(buffer);
  const reused = [1, 2, 3].map(() => pool.take(1024)).filter((buffer) => buffers.includes(buffer));
  assertEquals(reused.length, 2);
  pool.give(reused[0]!);
  assert(pool.take(1024) === reused[0]);
});
