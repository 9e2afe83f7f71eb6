/**
 * Asks npm's registry whether packages have a known weakness: those that come with the tool, and those that only tests need.
 *
 *     deno run -A dev/tools/audit.ts
 */

import { spawnSync } from "node:child_process";
import process from "node:process";

/** What `npm audit --json` prints, or the error that it has met. */
interface Answer {
  metadata?: { vulnerabilities: { total: number } };
  vulnerabilities?: Readonly<Record<string, unknown>>;
  message?: string;
}

/** What is to be said of an answer. Mirrors of the registry often have none, which is no weakness. */
export function verdictOf({ metadata, vulnerabilities = {}, message }: Answer): { isPassed: boolean; text: string } {
  if (!metadata) return { isPassed: true, text: `the registry has no answer: ${message}` };
  const isPassed = metadata.vulnerabilities.total === 0;
  const text = isPassed ? "no known weakness" : `known weaknesses: ${Object.keys(vulnerabilities).join(", ")}`;
  return { isPassed, text };
}

if (import.meta.main) {
  for (const [name, flags] of [["with the tool", ["--omit=dev"]], ["with what tests need", []]] as const) {
    const { stdout } = spawnSync("npm", ["audit", "--json", ...flags], { encoding: "utf8" });
    const { isPassed, text } = verdictOf(JSON.parse(stdout));
    console.log(`${name}: ${text}`);
    if (!isPassed) process.exitCode = 1;
  }
}
