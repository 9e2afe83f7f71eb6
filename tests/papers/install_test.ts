/** The table of `docs/install.md` beside what the installations download. `deno task bench:install` measures its times. */

import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { lacks, RUNTIME } from "../support/helpers.ts";
import { readPage, rowsOf } from "../support/pages.ts";
import { test, TIMEOUT } from "../support/test.ts";

/** The relative difference that a change of the sources may make before the table has to be measured again. */
const TOLERANCE = 0.1;

if (RUNTIME === "node") {
  const { measureInstallations, WAYS } = await import("../../dev/release/install_ways.ts");
  const { npmPackage } = await import("../support/npm_package.ts");
  const rows = rowsOf(await readPage("docs/install.md")).slice(1);

  test("docs/install.md has each way to install", () => {
    const commands = WAYS.map(({ install, run }) =>
      [install, run].filter(Boolean).map((text) => `\`${text}\``).join("<br>")
    );
    assertEquals(rows.map(([, , cell]) => cell), commands);
  });

  test("each way to install downloads what docs/install.md states", { timeout: 3 * TIMEOUT.timeout }, async () => {
    if (lacks("deno", "bun", "npm")) return;
    const installations = await measureInstallations({ npm: await npmPackage(), executable: undefined }, 0);
    for (const [index, { from, runtime, archives, bytes }] of installations.entries()) {
      const [, , , statedArchives, statedSize] = rows[index]!;
      assertEquals([from, runtime, archives], [from, runtime, Number(statedArchives)]);
      const stated = sizeOf(statedSize!);
      assert(
        Math.abs(bytes - stated) <= TOLERANCE * stated,
        `${from}, ${runtime}: ${bytes} bytes instead of ${stated}`,
      );
      assert(archives <= 12);
    }
  });
}

/** Returns the number of bytes of a size such as `1.4 MB`. */
function sizeOf(text: string): number {
  const [, number, unit] = /^([\d.]+) (kB|MB)$/.exec(text)!;
  return Number(number) * (unit === "MB" ? 1e6 : 1e3);
}
