import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert/equals";
import { lacks, PROJECT, RUN_MODULE, shell, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** The programs that each language needs, first its interpreter. */
const PROGRAMS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  sh: ["sh", "jq"],
  python: ["python3"],
  php: ["php"],
};

test("the programs in docs/guides/other-languages.md print the sum", async () => {
  const text = await readFile(join(PROJECT, "docs", "guides", "other-languages.md"), "utf8");
  const programs = [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)];
  assertEquals(programs.map(([, language]) => language), Object.keys(PROGRAMS));
  for (const [, language, code] of programs) {
    const [interpreter] = PROGRAMS[language!]!;
    if (lacks(...PROGRAMS[language!]!)) continue;
    await withTempDirectory(async (directory) => {
      const path = join(directory, `program.${language}`);
      await writeFile(path, code!);
      const env = { TASKRUNNER: [process.execPath, ...RUN_MODULE, join(PROJECT, "cli.ts")].join(" ") };
      const { status, stdout, stderr } = await shell(`${interpreter} ${path}`, { env });
      assertEquals([language, status, stdout, stderr], [language, 0, "5050\n", ""]);
    });
  }
});
