/** Installs or lists the programs that the tests need, and counts the tests that were skipped without them. */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { hasProgram, PACKAGES } from "../../tests/support/programs.ts";

const { CI } = process.env;
const isStrict = CI !== undefined && CI !== "" && CI !== "false";

/**
 * Installs the programs that the tests need, as root on Debian and its derivatives. Elsewhere lists the missing programs;
 * tests that need them are skipped. Returns false if programs are missing while `CI` is set.
 */
export function prepareTests(): boolean {
  let missing = missingPrograms();
  if (missing.length === 0) return true;
  if (process.getuid?.() === 0 && existsSync("/etc/debian_version") && hasProgram("apt-get")) {
    console.log(`Installing packages that the tests need: ${packagesOf(missing)}`);
    try {
      install(missing);
    } catch (error) {
      console.error(`Cannot install the packages: ${(error as Error).message}`);
    }
    missing = missingPrograms();
  }
  if (missing.length === 0) return true;
  console.error(`Missing programs: ${missing.join(", ")} (Debian packages: ${packagesOf(missing)})`);
  if (!isStrict) console.error("Tests that need them will be skipped.");
  return !isStrict;
}

/**
 * Prints the number of skipped tests by reason, from the file to which tests append the reasons. Returns false if tests
 * were skipped while `CI` is set.
 */
export function reportSkippedTests(list: string): boolean {
  const reasons = existsSync(list) ? readFileSync(list, "utf8").split("\n").filter((line) => line !== "") : [];
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const details = [...counts].map(([reason, count]) => `${count} × ${reason}`).join("; ");
  console.log(`Skipped tests: ${reasons.length === 0 ? "none" : `${reasons.length} (${details})`}`);
  return reasons.length === 0 || !isStrict;
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
