import { chmod, chown, mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { RUNTIME, startTaskrunner, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Prints the version with a directory for caches. Returns the number of entries in the cache of the command. */
async function cached(directory: string, env: Record<string, string> = {}): Promise<number> {
  const { status, stderr } = await startTaskrunner(["--version"], {
    stdin: "",
    cwd: directory, // without a home, Bun keeps its own cache in the working directory
    env: { NODE_COMPILE_CACHE: "", XDG_CACHE_HOME: join(directory, "cache"), ...env },
  }).ended;
  assertEquals([status, stderr], [0, ""]);
  return (await readdir(join(directory, "cache", "taskrunner")).catch(() => [])).length;
}

if (RUNTIME !== "deno") {
  test("compiled modules stay in a private directory of the user", async () => {
    await withTempDirectory(async (directory) => {
      assertEquals(await cached(directory), 1);
      assertEquals((await stat(join(directory, "cache", "taskrunner"))).mode & 0o777, 0o700);
      assertEquals(await cached(directory), 1);
    });
  });

  test("the directory of NODE_COMPILE_CACHE replaces that of the user", async () => {
    await withTempDirectory(async (directory) => {
      assertEquals(await cached(directory, { NODE_COMPILE_CACHE: join(directory, "own") }), 0);
      assert((await readdir(join(directory, "own"))).length > 0);
    });
  });

  test("there is no cache where other users can write, or in the home of another user", async () => {
    await withTempDirectory(async (directory) => {
      const own = join(directory, "cache", "taskrunner");
      await mkdir(own, { recursive: true });
      await chmod(own, 0o777);
      assertEquals(await cached(directory), 0);
      await chmod(own, 0o700);
      assertEquals(await cached(directory), 1);
    });
    const home = { XDG_CACHE_HOME: "", HOME: "/nonexistent/home" };
    await withTempDirectory(async (directory) => assertEquals(await cached(directory, home), 0));
    if (process.getuid!() !== 0) return;
    await withTempDirectory(async (directory) => {
      await chown(directory, 12345, 12345);
      assertEquals(await cached(directory), 0);
    });
  });
}
