import { execFileSync } from "node:child_process";
import { Buffer } from "node:buffer";
import { assertEquals } from "@std/assert/equals";
import { compileLauncher, COMPILERS } from "../../dev/launcher/build.ts";
import { NATIVE_PROGRAMS } from "../../executors/shell/launcher/native_programs.generated.ts";
import { canLaunch, nativeProgram } from "../../executors/shell/launcher/native_program.ts";
import { lacks, skipTest } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** The version of the compilers of Debian 12. Others produce different bytes. */
const VERSION = "12.2.0";

for (const architecture of ["arm64", "x64"] as const) {
  test(`the native program for ${architecture} is the compiled source`, () => {
    const compiler = COMPILERS[architecture];
    if (lacks(compiler)) return;
    const version = execFileSync(compiler, ["-dumpfullversion"], { encoding: "utf8" }).trim();
    if (version !== VERSION) return skipTest(`${compiler} ${version} is not ${VERSION}`);
    const compiled = Buffer.from(compileLauncher(architecture)).toString("base64");
    assertEquals(NATIVE_PROGRAMS[architecture] === compiled, true, "run `deno task launcher`");
  });
}

test("the native program is an executable of this processor", async () => {
  if (!canLaunch()) return skipTest("there is no native program for this system");
  const program = Buffer.from(await nativeProgram());
  assertEquals(program.subarray(0, 4).toString("latin1"), "\x7fELF");
});
