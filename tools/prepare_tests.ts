/**
 * Sees to the programs that the tests need. As root on Debian and what descends from it, installs the packages that are
 * missing; elsewhere it names them, and the tests that need them are passed over. `--closing` is for the end: it says what
 * was passed over, which is an error where `CI` is set, as nobody would read it there.
 *
 *     deno run -A tools/prepare_tests.ts [--closing]
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { hasProgram, PACKAGES } from "../tests/programs.ts";

/** Where tests say what they did not try. */
const { TASKRUNNER_NOT_TRIED: list, CI } = process.env;
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
    console.log(`The tests need these packages, which are installed now: ${packagesOf(missing)}`);
    try {
      install(missing);
    } catch (error) {
      console.error(`Cannot install them: ${(error as Error).message}`);
    }
    missing = missingPrograms();
  }
  if (missing.length === 0) return;
  console.error(`The tests need ${missing.join(", ")}, which Debian has as ${packagesOf(missing)}.`);
  if (isStrict) process.exit(1);
  console.error("Without these programs the tests that need them are not tried.");
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

/** Counts, by the reason, what the tests did not try. */
function close(): void {
  const reasons = list && existsSync(list) ? readFileSync(list, "utf8").split("\n").filter((line) => line !== "") : [];
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const details = [...counts].map(([reason, count]) => `${count} × ${reason}`).join("; ");
  console.log(`Not tried: ${reasons.length === 0 ? "nothing" : `${reasons.length} (${details})`}`);
  if (reasons.length > 0 && isStrict) process.exit(1);
}
