/**
 * Installs the programs that the tests need, as root on Debian and its derivatives. Elsewhere lists the missing
 * programs; tests that need them are skipped. With `--closing`, prints how many tests were skipped and why, and fails
 * if any were while `CI` is set.
 *
 *     deno run -A dev/tools/prepare_tests.ts [--closing]
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { hasProgram, PACKAGES } from "../../tests/support/programs.ts";

/** File to which tests append the reasons for skipping. */
const { TASKRUNNER_SKIPPED_TESTS: list, CI } = process.env;
const isStrict = CI !== undefined && CI !== "" && CI !== "false";

if (process.argv.includes("--closing")) close();
else prepare();

function prepare(): void {
  if (list) {
    mkdirSync(dirname(list), { recursive: true });
    writeFileSync(list, "");
  }
  let missing = missingPrograms();
  if (missing.length === 0) return;
  if (process.getuid?.() === 0 && existsSync("/etc/debian_version") && hasProgram("apt-get")) {
    console.log(`Installing packages that the tests need: ${packagesOf(missing)}`);
    try {
      install(missing);
    } catch (error) {
      console.error(`Cannot install the packages: ${(error as Error).message}`);
    }
    missing = missingPrograms();
  }
  if (missing.length === 0) return;
  console.error(`Missing programs: ${missing.join(", ")} (Debian packages: ${packagesOf(missing)})`);
  if (isStrict) process.exit(1);
  console.error("Tests that need them will be skipped.");
}

function missingPrograms(): string[] {
  return Object.keys(PACKAGES).filter((program) => !hasProgram(program));
}

function packagesOf(programs: readonly string[]): string {
  return programs.map((program) => PACKAGES[program]).join(" ");
}

function install(programs: readonly string[]): void {
  const options = { stdio: "inherit", env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } } as const;
  execFileSync("apt-get", ["update", "-q"], options);
  execFileSync("apt-get", ["install", "-qy", ...programs.map((program) => PACKAGES[program]!)], options);
}

/** Prints the number of skipped tests by reason. */
function close(): void {
  const reasons = list && existsSync(list) ? readFileSync(list, "utf8").split("\n").filter((line) => line !== "") : [];
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const details = [...counts].map(([reason, count]) => `${count} × ${reason}`).join("; ");
  console.log(`Skipped tests: ${reasons.length === 0 ? "none" : `${reasons.length} (${details})`}`);
  if (reasons.length > 0 && isStrict) process.exit(1);
}
