/**
 * Audits the dependencies and development dependencies for known vulnerabilities with `npm audit`.
 *
 *     deno run -A dev/tools/audit.ts
 */

import { spawnSync } from "node:child_process";
import process from "node:process";

/** The output of `npm audit --json`: a report, or an error with a message. */
interface AuditReport {
  metadata?: { vulnerabilities: { total: number } };
  vulnerabilities?: Readonly<Record<string, unknown>>;
  message?: string;
}

/** Returns the result of an audit. An error counts as passed, as mirrors of the registry often lack audits. */
export function classifyAudit(
  { metadata, vulnerabilities = {}, message }: AuditReport,
): { isPassed: boolean; text: string } {
  if (!metadata) return { isPassed: true, text: `the registry did not answer: ${message}` };
  const isPassed = metadata.vulnerabilities.total === 0;
  const text = isPassed
    ? "no known vulnerabilities"
    : `known vulnerabilities: ${Object.keys(vulnerabilities).join(", ")}`;
  return { isPassed, text };
}

if (import.meta.main) {
  for (const [name, flags] of [["dependencies", ["--omit=dev"]], ["with development dependencies", []]] as const) {
    const { stdout } = spawnSync("npm", ["audit", "--json", ...flags], { encoding: "utf8" });
    const { isPassed, text } = classifyAudit(JSON.parse(stdout));
    console.log(`${name}: ${text}`);
    if (!isPassed) process.exitCode = 1;
  }
}
