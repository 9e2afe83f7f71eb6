/** Writes the licenses of the software of others in a release. @module */

import { readFile } from "node:fs/promises";
import { type InstalledPackage, licenseTexts } from "./packages.ts";

/** A package of a release, and the ways in which it reaches users. */
export interface ReleasedPackage extends InstalledPackage {
  /** Ways such as `in the executables`. */
  uses: readonly string[];
}

/** The use of the packages whose code is in the modules of the project, for the page of a report. */
export const IN_REPORTS = "in every report";

const LINE = "=".repeat(80);

/**
 * Returns the text of the file `THIRD_PARTY`: Bun and each package with its version, license and license texts. Packages
 * with the same texts share a section.
 *
 * @param bunVersion the version of Bun in the executables; without it, the text does not mention Bun.
 * @throws `Error` when a package has no license text, or a license that is not allowed.
 */
export async function thirdParty(packages: readonly ReleasedPackage[], bunVersion?: string): Promise<string> {
  const read = (name: string) => readFile(new URL(`notices/${name}`, import.meta.url), "utf8");
  const sections = new Map<string, string[]>();
  if (bunVersion !== undefined) {
    const heading = `Bun ${bunVersion}, MIT, with libraries under other licenses: in the executables`;
    sections.set(`${await read("bun.txt")}\n${await read("LGPL-2.1.txt")}`.trim(), [heading]);
  }
  for (const released of packages) {
    const { name, version, license, uses } = released;
    const text = (await licenseTexts(released)).join("\n\n");
    const headings = sections.get(text) ?? [];
    headings.push(`${name} ${version}, ${license}: ${uses.join(", ")}`);
    sections.set(text, headings);
  }
  const parts = [...sections].map(([text, headings]) => [LINE, ...headings, LINE, "", text].join("\n"));
  return `taskrunner contains or uses the following software of others.\n\n${parts.join("\n\n")}\n`;
}
