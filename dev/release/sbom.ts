/** Writes the software bill of materials of a release. @module */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { packageName, type ReleaseNames } from "./names.ts";
import { pathInNodeModules, ROOT } from "./packages.ts";
import type { ReleasedPackage } from "./third_party.ts";

/** A component in CycloneDX, with the fields that this project uses. */
interface Component {
  "type": "application" | "library" | "platform";
  "bom-ref": string;
  "name": string;
  "version": string;
  "licenses": { license: { id: string } }[];
  "purl": string;
  "scope"?: "required" | "optional";
  "hashes"?: { alg: "SHA-512"; content: string }[];
}

/** Returns the package URL of a package of npm. */
function purl(name: string, version: string): string {
  return `pkg:npm/${name.split("/").map(encodeURIComponent).join("/")}@${version}`;
}

/**
 * Returns the bill of materials, as JSON of CycloneDX 1.6. Its time is the date of the version and its serial number
 * follows from its contents, so that the same release has the same bytes.
 *
 * @param required the names of the packages that every run needs.
 */
export async function billOfMaterials(
  names: ReleaseNames,
  date: string,
  packages: readonly ReleasedPackage[],
  required: readonly string[],
  bunVersion: string,
): Promise<string> {
  const lock: { packages: Record<string, { integrity?: string }> } = JSON.parse(
    await readFile(join(ROOT, "package-lock.json"), "utf8"),
  );
  const main = component("application", packageName(names), names.version, "MIT");
  const bun: Component = { ...component("platform", "bun", bunVersion, "MIT"), scope: "optional" };
  const libraries = packages.map(({ name, version, license, directory }): Component => {
    const { integrity } = lock.packages[`node_modules/${pathInNodeModules(directory)}`] ?? {};
    return {
      ...component("library", name, version, license),
      scope: required.includes(name) ? "required" : "optional",
      ...(integrity?.startsWith("sha512-") && {
        hashes: [{ alg: "SHA-512", content: Buffer.from(integrity.slice(7), "base64").toString("hex") }],
      }),
    };
  });
  const refs = new Map(packages.map(({ name, version }) => [`${name}@${version}`, purl(name, version)]));
  const needed = new Set(packages.flatMap(({ dependencies }) => dependencies));
  const direct = [...refs].filter(([key]) => !needed.has(key)).map(([, ref]) => ref);
  const contents = {
    version: 1,
    metadata: { timestamp: `${date}T00:00:00Z`, component: main },
    components: [bun, ...libraries],
    dependencies: [
      { ref: main["bom-ref"], dependsOn: [bun["bom-ref"], ...direct].sort() },
      { ref: bun["bom-ref"] },
      ...packages.map(({ name, version, dependencies }) => ({
        ref: purl(name, version),
        ...(dependencies.length > 0 && { dependsOn: dependencies.map((key) => refs.get(key)!) }),
      })),
    ],
  };
  const bom = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify(contents))}`,
    ...contents,
  };
  return `${JSON.stringify(bom, undefined, 2)}\n`;
}

function component(type: Component["type"], name: string, version: string, license: string): Component {
  const url = purl(name, version);
  return { type, "bom-ref": url, name, version, licenses: [{ license: { id: license } }], purl: url };
}

/** Returns a UUID of version 8, which RFC 9562 leaves to applications, from a hash. */
function uuidOf(text: string): string {
  const bytes = createHash("sha256").update(text).digest().subarray(0, 16);
  bytes[6] = bytes[6]! & 0x0f | 0x80;
  bytes[8] = bytes[8]! & 0x3f | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
