/** Tests what `deno task release` builds. Node builds it whichever runtime runs the tests, so they run on one runtime. */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after } from "node:test";
import { gunzipSync } from "node:zlib";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertRejects } from "@std/assert/rejects";
import { assertStringIncludes } from "@std/assert/string-includes";
import { assertThrows } from "@std/assert/throws";
import { tarGz } from "../../dev/release/archive.ts";
import { versionNotes } from "../../dev/release/changelog.ts";
import { hostTarget, TARGETS } from "../../dev/release/executables.ts";
import { readArguments, release, uncommittedChanges } from "../../dev/release/main.ts";
import { checkScope, checkVersion, withVersion } from "../../dev/release/names.ts";
import { type InstalledPackage, installedPackages, licenseTexts } from "../../dev/release/packages.ts";
import { output } from "../../dev/release/programs.ts";
import { SCRIPT } from "../../report/page.generated.ts";
import { PROJECT, RUNTIME, start, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const NAMES = { scope: "acme-2", version: "0.1.0" };
const REPOSITORY = "https://example.com/acme/taskrunner";
const ARCHIVE = `taskrunner-0.1.0-${hostTarget()}`;

const temporary: string[] = [];
let built: Promise<string[]> | undefined;

/** Copies the sources of the project, without installed packages and caches, and links the packages. */
async function copyProject(directory: string): Promise<void> {
  for (const name of await readdir(PROJECT)) {
    if (/^(?:node_modules|dist|\.git|\.(?:coverage|fuzz|mutation|readme-.*))$/.test(name)) continue;
    await cp(join(PROJECT, name), join(directory, name), { recursive: true });
  }
  await symlink(join(PROJECT, "node_modules"), join(directory, "node_modules"));
}

/** Returns the directories of two releases of the same sources: of the project, and then of a copy of it. */
function twoReleases(): Promise<string[]> {
  return built ??= (async () => {
    const parent = await mkdtemp(join(tmpdir(), "taskrunner-test-"));
    temporary.push(parent);
    const [first, second, copy] = ["first", "second/dist", "copy of the project"].map((name) => join(parent, name));
    const { scope, version } = NAMES;
    const args = ["--scope", scope, "--version", version, "--target", hostTarget(), "--repository", REPOSITORY];
    await release({ ...NAMES, directory: first!, targets: [hostTarget()], repository: REPOSITORY });
    await copyProject(copy!);
    const program = ["dev/release/main.ts", ...args, "--out", second!, "--allow-dirty"];
    const { stdout } = await output(process.execPath, program, { cwd: copy! });
    assertEquals(stdout, await readFile(join(second!, "SHA256SUMS"), "utf8"));
    return [first!, second!];
  })();
}

/** Returns the files below a directory, by their paths. */
async function filesBelow(directory: string): Promise<Map<string, Buffer>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name)).sort();
  const files = paths.map(async (path) => [path.slice(directory.length + 1), await readFile(path)] as const);
  return new Map(await Promise.all(files));
}

if (RUNTIME === "node") {
  after(() => Promise.all(temporary.map((path) => rm(path, { recursive: true, force: true }))));

  test("a release is complete, and the same bytes from another directory and at another time", async () => {
    const [first, second] = await Promise.all((await twoReleases()).map(filesBelow));
    assertEquals([...first!.keys()].filter((path) => !path.startsWith("jsr/")), [
      "NOTES.md",
      "SHA256SUMS",
      "THIRD_PARTY",
      "acme-2-taskrunner-0.1.0.tgz",
      `${ARCHIVE}.tar.gz`,
      "taskrunner-0.1.0.cdx.json",
    ]);
    assertEquals([...second!.keys()], [...first!.keys()]);
    for (const [path, bytes] of first!) assert(Buffer.compare(bytes, second!.get(path)!) === 0, path);
  });

  test("no file of a release contains the name of the package in this repository, or a path of this machine", async () => {
    const [directory] = await twoReleases() as [string];
    const files = await filesBelow(directory);
    await withTempDirectory(async (unpacked) => {
      for (const name of files.keys()) {
        if (/gz$/.test(name)) await output("tar", ["xzf", join(directory, name)], { cwd: unpacked });
      }
      for (const [name, bytes] of await filesBelow(unpacked)) files.set(name, bytes);
    });
    assert(files.has("package/package.json") && files.has(`${ARCHIVE}/taskrunner`) && files.has("jsr/mod.ts"));
    let renamedFiles = 0;
    for (const [path, bytes] of files) {
      for (const text of ["@x/taskrunner", encodeURIComponent("@x/taskrunner"), PROJECT, tmpdir() + "/taskrunner-"]) {
        const found = (["utf8", "utf16le"] as const).some((encoding) => bytes.includes(text, 0, encoding));
        assertEquals([path, text, found], [path, text, false]);
      }
      if (bytes.includes("@acme-2/taskrunner")) renamedFiles++;
    }
    assert(renamedFiles > 30, `${renamedFiles}`);
  });

  test("the manifests of a release have its name and version", async () => {
    const [directory] = await twoReleases() as [string];
    const jsr = JSON.parse(await readFile(join(directory, "jsr/deno.json"), "utf8"));
    assertEquals([jsr.name, jsr.version], ["@acme-2/taskrunner", "0.1.0"]);
    assertEquals(jsr.exports["."], "./mod.ts");
    assertEquals(Object.keys(jsr.imports).filter((name) => /@std|echarts/.test(name)), []);
    assertEquals(["tasks", "fmt", "lint", "publish"].filter((key) => key in jsr), []);
    const tarball = join(directory, "acme-2-taskrunner-0.1.0.tgz");
    const npm = JSON.parse((await output("tar", ["xzOf", tarball, "package/package.json"], { cwd: directory })).stdout);
    assertEquals([npm.name, npm.version], ["@acme-2/taskrunner", "0.1.0"]);
    assertEquals(npm.repository, { type: "git", url: `git+${REPOSITORY}.git` });
  });

  test("the archive of an executable has the executable and the licenses, and the checksums are right", async () => {
    const [directory] = await twoReleases() as [string];
    const args = ["--list", "--verbose", "--file", `${ARCHIVE}.tar.gz`];
    const { stdout } = await output("tar", args, { cwd: directory, env: { TZ: "UTC" } });
    const rows = stdout.trim().split("\n").map((row) => row.split(/ +/));
    assertEquals(rows.map(([mode, owner, , date, time, name]) => [mode!.endsWith("x"), owner, date, time, name]), [
      [true, "root/root", "2026-11-29", "00:00", `${ARCHIVE}/taskrunner`],
      [false, "root/root", "2026-11-29", "00:00", `${ARCHIVE}/LICENSE`],
      [false, "root/root", "2026-11-29", "00:00", `${ARCHIVE}/THIRD_PARTY`],
    ]);
    await withTempDirectory(async (unpacked) => {
      await output("tar", ["xzf", join(directory, `${ARCHIVE}.tar.gz`)], { cwd: unpacked });
      const { stdout } = await start(join(unpacked, ARCHIVE, "taskrunner"), ["--version"], { stdin: "" }).ended;
      assertEquals(stdout, "taskrunner 0.1.0\n");
    });
    const sums = (await readFile(join(directory, "SHA256SUMS"), "utf8")).trim().split("\n");
    assertEquals(sums.map((line) => line.slice(66)), [
      "THIRD_PARTY",
      "acme-2-taskrunner-0.1.0.tgz",
      `${ARCHIVE}.tar.gz`,
      "taskrunner-0.1.0.cdx.json",
    ]);
    await output("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: directory });
  });

  test("THIRD_PARTY and the bill of materials list every package of a release", async () => {
    const [directory] = await twoReleases() as [string];
    const inReports = [...SCRIPT.matchAll(/^(\S+) (\d+\.\d+\.\d+), (\S+)$/gm)].map(([, ...row]) => row);
    const { dependencies, devDependencies } = JSON.parse(await readFile(join(PROJECT, "package.json"), "utf8"));
    const fetched = Object.keys(devDependencies).filter((name) => /^@(?:nats-io|opentelemetry)\//.test(name));
    const installed = [...(await installedPackages([...Object.keys(dependencies), ...fetched])).values()];
    const expected = [...installed.map(({ name, version, license }) => [name, version, license]), ...inReports];
    assertEquals(inReports.length, 3);
    const text = await readFile(join(directory, "THIRD_PARTY"), "utf8");
    const rows = [...text.matchAll(/^(\S+) (\S+), ([\w.-]+): (.+)$/gm)].map(([, ...row]) => row);
    assertEquals(rows.map((row) => row.slice(0, 3)).sort(), expected.sort());
    const usesOf = (wanted: string) => rows.find(([name]) => name === wanted)?.[3];
    assertEquals(usesOf("valibot"), "needed by every run, in the executables");
    assertEquals(usesOf("tweetnacl"), "needed for NATS or OpenTelemetry, in the executables");
    assertEquals(usesOf("echarts"), "in every report");
    const forJsr = await readFile(join(directory, "jsr/THIRD_PARTY"), "utf8");
    const headings = [...forJsr.matchAll(/^(\S+) \S+, [\w.-]+: (.+)$/gm)].map(([, ...row]) => row);
    assertEquals(headings, ["echarts", "tslib", "zrender"].map((name) => [name, "in every report"]));
    assert(!forJsr.includes("Bun"));
    for (const part of ["GNU LESSER GENERAL PUBLIC LICENSE", "JavaScriptCore", "Bun 1."]) {
      assertStringIncludes(text, part);
    }
    for (const file of ["valibot/LICENSE.md", "echarts/NOTICE", "echarts/licenses/LICENSE-d3", "tweetnacl/LICENSE"]) {
      const license = await readFile(join(PROJECT, "node_modules", file), "utf8");
      assertStringIncludes(text, license.replaceAll("\r\n", "\n").trim());
    }
    const bom = JSON.parse(await readFile(join(directory, "taskrunner-0.1.0.cdx.json"), "utf8"));
    assertEquals([bom.bomFormat, bom.specVersion, bom.version], ["CycloneDX", "1.6", 1]);
    assertMatch(bom.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assertEquals(bom.metadata.timestamp, "2026-11-29T00:00:00Z");
    assertEquals(bom.metadata.component.purl, "pkg:npm/%40acme-2/taskrunner@0.1.0");
    interface Component {
      "bom-ref": string;
      name: string;
      version: string;
      licenses: [{ license: { id: string } }];
      hashes?: unknown[];
      scope: string;
    }
    const [bun, ...libraries] = bom.components as Component[];
    assertEquals(bun!.name, "bun");
    assertEquals(
      libraries.map(({ name, version, licenses: [{ license }] }) => [name, version, license.id]).sort(),
      expected.sort(),
    );
    assertEquals(libraries.filter(({ hashes }) => hashes?.length !== 1), []);
    assertEquals(libraries.filter(({ scope }) => scope === "required").map(({ name }) => name), ["valibot"]);
    const refs = new Set(
      [bom.metadata.component, ...bom.components].map((component: Component) => component["bom-ref"]),
    );
    assertEquals(refs.size, libraries.length + 2);
    const edges = bom.dependencies as { ref: string; dependsOn?: string[] }[];
    assertEquals(new Set(edges.map(({ ref }) => ref)), refs);
    const targets = edges.flatMap(({ dependsOn = [] }) => dependsOn);
    assertEquals(targets.filter((ref) => !refs.has(ref)), []);
    assertEquals(new Set([bom.metadata.component["bom-ref"], ...targets]), refs, "every package is reachable");
  });

  test("release() writes into no directory that has files, and checks scope and version before it writes", async () => {
    await withTempDirectory(async (parent) => {
      const directory = join(parent, "dist");
      const options = { ...NAMES, directory, targets: [] };
      await assertRejects(() => release({ ...options, scope: "x" }), RangeError, "2 to 20 characters, not 1");
      await assertRejects(() => release({ ...options, version: "1" }), RangeError, "a version of SemVer");
      await assertRejects(
        () => release({ ...options, version: "0.1.1" }),
        Error,
        'Cannot release 0.1.1: CHANGELOG.md has no section "## [0.1.1] - YYYY-MM-DD"; rename [Unreleased] to it',
      );
      assertEquals(existsSync(directory), false);
      await mkdir(directory);
      await writeFile(join(directory, "file"), "");
      await assertRejects(
        () => release(options),
        Error,
        "it is not empty; remove it, or name another directory with --out",
      );
      assertEquals(await readdir(directory), ["file"]);
    });
  });

  test("deno publish takes a release from a directory that Git ignores", async () => {
    const [directory] = await twoReleases() as [string];
    await withTempDirectory(async (clone) => {
      await output("git", ["init", "--quiet"], { cwd: clone });
      await writeFile(join(clone, ".gitignore"), "dist/\n");
      await writeFile(join(clone, "deno.json"), '{ "workspace": [] }');
      await output("cp", ["-r", directory, join(clone, "dist")], { cwd: clone });
      const { stderr } = await output("deno", ["publish", "--dry-run", "--no-check", "--allow-dirty"], {
        cwd: join(clone, "dist/jsr"),
      });
      const listed = [...stderr.matchAll(/^ +file:.* \(/gm)].length;
      assertEquals(listed, [...await filesBelow(join(directory, "jsr"))].length, stderr);
    });
  });

  test("release.ts names what is wrong with its arguments", async () => {
    const fails = async (...args: string[]) => {
      const program = join(PROJECT, "dev/release/main.ts");
      const { status, stdout, stderr } = await start(process.execPath, [program, ...args], { stdin: "" }).ended;
      assertEquals([status, stdout], [1, ""]);
      return stderr;
    };
    assertEquals(await fails("--version", "1.0.0"), "release: Missing --scope: --scope acme --version 1.2.3\n");
    assertMatch(await fails("--scope", "acme", "--versions", "1"), /^release: Unknown option '--versions'/);
  });
}

test("checkScope() accepts what JSR and npm accept, and names what is wrong otherwise", () => {
  for (const scope of ["ab", "acme", "a-b", "2fast", "a".repeat(20)]) assertEquals(checkScope(scope), scope);
  const wrong = {
    "@acme": "write it without @, as in --scope acme",
    "acme/taskrunner": "write only the part before the slash",
    "x": "it must have 2 to 20 characters, not 1",
    "": "it must have 2 to 20 characters, not 0",
    [`a${"b".repeat(20)}`]: "it must have 2 to 20 characters, not 21",
    "Acme": "lower-case letters, digits and hyphens",
    "a_b": "lower-case letters, digits and hyphens",
    "a.b": "lower-case letters, digits and hyphens",
    "ac\nme": "lower-case letters, digits and hyphens",
    "-acme": "a hyphen must be between two letters or digits",
    "acme-": "a hyphen must be between two letters or digits",
    "a--b": "a hyphen must be between two letters or digits",
  };
  for (const [scope, message] of Object.entries(wrong)) {
    assertThrows(() => checkScope(scope), RangeError, `Cannot release with the scope ${JSON.stringify(scope)}: `);
    assertThrows(() => checkScope(scope), RangeError, message);
  }
});

test("checkVersion() accepts versions of SemVer without build metadata", () => {
  for (const version of ["0.1.0", "1.2.3", "10.0.0-rc.1", "1.0.0-a-b.0"]) assertEquals(checkVersion(version), version);
  const wrong = {
    "v1.2.3": "write it without v, as in --version 1.2.3",
    "1.2.3+5": "write it without the part from +",
    "1.2": "such as 1.2.3 or 1.2.3-rc.1",
    "01.2.3": "such as 1.2.3",
    "1.2.3-01": "such as 1.2.3",
    "1.2.3-": "such as 1.2.3",
    "1.2.3\n": "such as 1.2.3",
    "latest": "such as 1.2.3",
  };
  for (const [version, message] of Object.entries(wrong)) {
    assertThrows(() => checkVersion(version), RangeError, message);
  }
});

test("readArguments() reads targets and the repository", () => {
  const args = ["--scope", "acme", "--version", "1.0.0"];
  const { targets, directory, repository, allowsDirty } = readArguments(args);
  assertEquals([targets, directory, repository, allowsDirty], [TARGETS, join(PROJECT, "dist"), undefined, false]);
  const more = ["--target", "linux-x64", "--repository", "https://example.com/a/b.git", "--allow-dirty"];
  const given = readArguments([...args, ...more]);
  assertEquals(given.targets, ["linux-x64"]);
  assertEquals([given.repository, given.allowsDirty], ["https://example.com/a/b", true]);
  assertThrows(() => readArguments([...args, "--target", "windows-x64"]), Error, "--target must be one of linux-x64, ");
  assertThrows(
    () => readArguments([...args, "--repository", "git@example.com:a"]),
    Error,
    "--repository must be a URL",
  );
});

test("versionNotes() returns the section of a version, without relative links", () => {
  const changelog =
    "# Changelog\n\n[x](y.md)\n\n## [Unreleased]\n\n- later\n\n## [1.0.0] - 2026-01-02\n\n### Added\n\n" +
    "- a, see [the guide](docs/a.md#b) and [this](https://example.com)\n\n## [0.9.0] - 2026-01-01\n\n\n## [0.8.0]\n\n- z\n\n" +
    "[1.0.0]: https://example.com\n";
  assertEquals(versionNotes(changelog, "1.0.0"), {
    date: "2026-01-02",
    text: "### Added\n\n- a, see the guide and [this](https://example.com)\n",
  });
  assertThrows(
    () => versionNotes(changelog, "0.9.0"),
    Error,
    "Cannot release 0.9.0: its section of CHANGELOG.md is empty",
  );
  for (const version of ["0.8.0", "1.0", "Unreleased"]) {
    assertThrows(() => versionNotes(changelog, version), Error, `no section "## [${version}] - YYYY-MM-DD"`);
  }
});

test("withVersion() sets version and date in TypeScript, JavaScript and declarations", () => {
  const modules = {
    'export const VERSION = "0.1.0";\nexport const VERSION_DATE = "x";':
      'export const VERSION = "2.0.0";\nexport const VERSION_DATE = "d";',
    'export declare const VERSION: "0";\nexport declare const VERSION_DATE: "x";':
      'export declare const VERSION: "2.0.0";\nexport declare const VERSION_DATE: "d";',
  };
  for (const [module, expected] of Object.entries(modules)) assertEquals(withVersion(module, "2.0.0", "d"), expected);
  assertThrows(
    () => withVersion('const VERSION = "1";', "2.0.0", "d"),
    Error,
    "does not define VERSION and VERSION_DATE",
  );
});

test("licenseTexts() fails without a license text, and with a license that is not allowed", async () => {
  await withTempDirectory(async (directory) => {
    const installed: InstalledPackage = { name: "a", version: "1.0.0", license: "MIT", directory, dependencies: [] };
    await assertRejects(() => licenseTexts(installed), Error, "Cannot release with a: it has no license file");
    await mkdir(join(directory, "licenses"));
    await writeFile(join(directory, "LICENSE.txt"), "terms\r\n");
    await writeFile(join(directory, "licenses", "LICENSE-b"), "others\n");
    await writeFile(join(directory, "readme.md"), "no terms\n");
    assertEquals(await licenseTexts(installed), ["terms", "others"]);
    await assertRejects(
      () => licenseTexts({ ...installed, license: "GPL-3.0-only" }),
      Error,
      "Cannot release with a: its license GPL-3.0-only is not one of 0BSD, ",
    );
  });
});

test("tarGz() makes the same bytes for the same files, which tar unpacks", async () => {
  await withTempDirectory(async (directory) => {
    const files = [
      { name: "a/empty", bytes: new Uint8Array() },
      { name: "a/run", bytes: new TextEncoder().encode("#!/bin/sh\n"), isExecutable: true },
      { name: "a/block", bytes: new Uint8Array(512).fill(65) },
    ];
    const archive = tarGz(files, new Date("2026-01-02T00:00:00Z"));
    assertEquals(tarGz(files, new Date("2026-01-02T00:00:00Z")), archive);
    assertEquals([...archive.subarray(4, 8)], [0, 0, 0, 0], "the gzip header has no time");
    assertEquals(gunzipSync(archive).length % 512, 0);
    const path = join(directory, "a.tar.gz");
    await writeFile(path, archive);
    await utimes(path, 0, 0);
    await output("tar", ["xzf", path], { cwd: directory });
    for (const { name, bytes } of files) {
      const hash = (content: Uint8Array) => createHash("sha256").update(content).digest("hex");
      assertEquals([name, hash(await readFile(join(directory, name)))], [name, hash(bytes)]);
    }
    assertThrows(
      () => tarGz([{ name: "n".repeat(101), bytes: new Uint8Array() }], new Date(0)),
      RangeError,
      "longer than",
    );
  });
});

test("uncommittedChanges() names changed and new files, and nothing outside of Git", async () => {
  await withTempDirectory(async (directory) => {
    assertEquals(await uncommittedChanges(directory), "");
    await output("git", ["init", "--quiet"], { cwd: directory });
    assertEquals(await uncommittedChanges(directory), "");
    await writeFile(join(directory, "new"), "");
    assertEquals(await uncommittedChanges(directory), "?? new");
  });
});
