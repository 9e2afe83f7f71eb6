/** Tests the contents of the package for npm. The tests of installations are in `npm_install_test.ts`. */

import { readdirSync } from "node:fs";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import { join, posix } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import { VERSION } from "../../text/version.ts";
import { PROJECT, RUNTIME, start, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** The largest size of the tarball, in bytes. Almost half of it is the charting library of the report. */
const MAX_TARBALL_BYTES = 475_000;

/** The largest size of the installed package, in bytes. */
const MAX_UNPACKED_BYTES = 1_140_000;

/** The largest number of files that `taskrunner --version` loads. */
const MAX_FILES_OF_VERSION = 25;

if (RUNTIME === "node") {
  const { buildNpmPackage, packNpmPackage } = await import("../../dev/release/npm_package.ts");
  const { npmPackage } = await import("../support/npm_package.ts");

  /** Returns the files of the package by their paths. */
  const filesOf = async (directory: string) => {
    const files = await readdir(directory, { recursive: true, withFileTypes: true });
    const paths = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name)).sort();
    const entries = paths.map(async (path) =>
      [path.slice(directory.length + 1), await readFile(path, "utf8")] as const
    );
    return new Map(await Promise.all(entries));
  };

  /** Returns the specifiers in a module or its declarations, without those in comments. */
  const specifiersOf = (text: string) => {
    const code = text.replace(/^\s*\*.*$/gm, "");
    return [...code.matchAll(/(?:\bfrom |^import |\bimport\(|new URL\()"([^"]*)"/gm)].map(([, specifier]) =>
      specifier!
    );
  };

  test("the npm package refers only to its own files and to modules of the runtimes", async () => {
    const { directory } = await npmPackage();
    const files = await filesOf(directory);
    let references = 0;
    for (const [path, text] of files) {
      if (!/\.(?:js|d\.ts)$/.test(path)) continue;
      for (const specifier of specifiersOf(text)) {
        references++;
        if (specifier.startsWith("node:")) assert(builtinModules.includes(specifier.slice(5)), `${path}: ${specifier}`);
        else {
          const isPath = specifier.startsWith(".") || text.includes(`new URL("${specifier}", import.meta.url)`);
          const target = posix.join(posix.dirname(path), specifier);
          const isThere = files.has(path.endsWith(".d.ts") ? target.replace(/\.js$/, ".d.ts") : target);
          assert(isPath && isThere, `${path} refers to ${specifier}, which is not in the package`);
        }
      }
    }
    assert(references > 300, `only ${references} references`);
    assertEquals(JSON.parse(files.get("package.json")!).dependencies, undefined);
  });

  test("the npm package has the licenses of the packages whose code it contains", async () => {
    const { directory } = await npmPackage();
    const text = await readFile(join(directory, "THIRD_PARTY"), "utf8");
    const packages = [...text.matchAll(/^(\S+) \d+\.\d+\.\d+, \S+: in /gm)].map(([, name]) => name!);
    assertEquals(packages, ["valibot", "echarts", "tslib", "zrender"]);
    for (const name of packages) {
      const directory = join(PROJECT, "node_modules", name);
      const file = (await readdir(directory)).find((file) => /^license/i.test(file));
      assert(text.includes((await readFile(join(directory, file!), "utf8")).trim().replaceAll("\r\n", "\n")), name);
    }
  });

  test("every export of the npm package exists, and every export of the repository is one", async () => {
    const { directory } = await npmPackage();
    const files = await filesOf(directory);
    const { exports, bin } = JSON.parse(files.get("package.json")!);
    const repository = JSON.parse(await readFile(join(PROJECT, "package.json"), "utf8"));
    const added = ["./task.schema.json", "./result.schema.json", "./package.json"];
    assertEquals(Object.keys(exports), [...Object.keys(repository.exports), ...added]);
    const targets = Object.values<string | Record<string, string>>(exports).flatMap((target) =>
      typeof target === "string" ? [target] : Object.values(target)
    );
    for (const target of [...targets, bin.taskrunner]) assert(files.has(posix.join(target)), target);
    for (const name of Object.keys(repository.exports)) assertEquals(Object.keys(exports[name]), ["types", "default"]);
  });

  test("the npm package is small", async () => {
    const { directory, tarball } = await npmPackage();
    const files = await filesOf(directory);
    const unpackedBytes = [...files.values()].reduce((sum, text) => sum + text.length, 0);
    const { size } = await stat(tarball);
    assert(size <= MAX_TARBALL_BYTES, `${size} bytes`);
    assert(unpackedBytes <= MAX_UNPACKED_BYTES, `${unpackedBytes} bytes`);
  });

  test("taskrunner --version loads few files", async () => {
    const { directory } = await npmPackage();
    const files = await filesOf(join(directory, "dist"));
    const loaded = new Set<string>();
    const waiting = ["cli.js"];
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      if (loaded.has(path)) continue;
      loaded.add(path);
      for (const [, specifier] of files.get(path)!.matchAll(/^(?:import|export)\b[^"]*"(\.[^"]*)";$/gm)) {
        waiting.push(posix.join(posix.dirname(path), specifier!));
      }
    }
    assert(loaded.size > 1 && loaded.size <= MAX_FILES_OF_VERSION, `${loaded.size} files: ${[...loaded].join()}`);
  });

  test("stack traces of the npm package have the names of functions and classes", async () => {
    const { directory } = await npmPackage();
    const { parseTask } = await import(join(directory, "dist/mod.js"));
    const error = assertThrows(() => parseTask({ cmd: 1 }), Error);
    assertEquals(error.constructor.name, "InvalidTaskError");
    assert(/^ +at \S*parseTask \(.*\/dist\/chunks\/\w+\.js:\d+:\d+\)$/m.test(error.stack!), error.stack);
  });

  test("buildNpmPackage() with another scope and version names the old ones nowhere, and makes the same bytes at any umask", async () => {
    await withTempDirectory(async (directory) => {
      const build = async (name: string) => {
        const options = {
          name: "@other/runner",
          version: "7.8.9-rc.1",
          date: "2001-02-03",
          repository: "https://a.test/b",
        };
        await buildNpmPackage(join(directory, name), options);
        return await readFile(await packNpmPackage(join(directory, name), join(directory, `${name} tarball`)));
      };
      const first = await build("first");
      const umask = process.umask(0o077);
      const second = await build("second").finally(() => process.umask(umask));
      assert(first.equals(second), "the tarballs differ");
      assertEquals(readdirSync(join(directory, "first tarball")), ["other-runner-7.8.9-rc.1.tgz"]);
      const files = await filesOf(join(directory, "first"));
      for (const [path, text] of files) {
        assert(!text.includes("@x/"), path);
        assert(!text.includes(PROJECT) && !/^\/\/ (?:\/|\.\.)/m.test(text), `${path} has a path of this machine`);
      }
      const { name, version, repository } = JSON.parse(files.get("package.json")!);
      assertEquals([name, version], ["@other/runner", "7.8.9-rc.1"]);
      assertEquals(repository, { type: "git", url: "git+https://a.test/b.git" });
      const modules = [...files].filter(([path]) => path.endsWith(".js")).map(([, text]) => text);
      for (const text of ['"7.8.9-rc.1"', '"2001-02-03"']) {
        assert(modules.some((module) => module.includes(text)), text);
      }
      assert(modules.every((text) => !text.includes(`"${VERSION}"`)), "a module has the old version");
    });
  });

  test("buildNpmPackage() rejects a name without a scope, a wrong version, and a directory with files", async () => {
    await withTempDirectory(async (directory) => {
      const target = join(directory, "package");
      const build = (options: { name?: string; version?: string }) => () => buildNpmPackage(target, options);
      for (const name of ["taskrunner", "@x", "@X/taskrunner", "@x/y/z", "@x/../y"]) {
        await assertRejects(build({ name }), Error, `Cannot build the package: "${name}" is not a name with a scope`);
      }
      for (const version of ["1.0", "v1.0.0", "1.0.0 "]) {
        await assertRejects(build({ version }), Error, `Cannot release the version "${version}"`);
      }
      await writeFile(join(target, "file"), "");
      await assertRejects(build({}), Error, `Cannot build the package: ${target} is not empty`);
    });
  });

  test("deno task npm makes the directory and the tarball", async () => {
    await withTempDirectory(async (directory) => {
      const target = join(directory, "package");
      const args = [join(PROJECT, "dev/release/npm_package.ts"), "--name", "@a/b", "--version", "1.2.3", target];
      const { status, stdout } = await start(process.execPath, args, { stdin: "" }).ended;
      assertEquals([status, stdout], [0, `${join(directory, "a-b-1.2.3.tgz")}\n`]);
      assertEquals(readdirSync(directory).sort(), ["a-b-1.2.3.tgz", "package"]);
    });
  });
}
