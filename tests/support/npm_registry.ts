/** A registry on this machine, from which package managers install packages under test. */

import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** A package that a registry serves. */
export interface ServedPackage {
  /** The contents of `package.json`. */
  manifest: { name: string; version: string };
  /** The path of the tarball. */
  tarball: string;
}

/** A registry on this machine. */
export class NpmRegistry {
  /** The names of the packages of which a tarball was requested. */
  readonly downloads: string[] = [];
  readonly #packages: readonly ServedPackage[];
  readonly #server: Server;

  /** Calls a function with a registry of the packages. All other packages are unknown to the registry. */
  static async with(packages: readonly ServedPackage[], use: (registry: NpmRegistry) => Promise<void>): Promise<void> {
    const registry = new NpmRegistry(packages);
    await once(registry.#server.listen(0, "127.0.0.1"), "listening");
    try {
      await use(registry);
    } finally {
      registry.#server.closeAllConnections();
      registry.#server.close();
    }
  }

  private constructor(packages: readonly ServedPackage[]) {
    this.#packages = packages;
    this.#server = createServer(({ url }, response) => {
      this.#answer(decodeURIComponent(url!.slice(1))).then((answer) => {
        response.writeHead(answer === undefined ? 404 : 200).end(answer ?? "{}");
      }, (error) => response.destroy(error));
    });
  }

  /** The address of the registry. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async #answer(path: string): Promise<string | Uint8Array | undefined> {
    for (const { manifest, tarball } of this.#packages) {
      const { name, version } = manifest;
      if (path === `${name}/-/package.tgz`) {
        this.downloads.push(name);
        return await readFile(tarball);
      }
      if (path === name) {
        const integrity = `sha512-${createHash("sha512").update(await readFile(tarball)).digest("base64")}`;
        const dist = { tarball: `${this.url}${name}/-/package.tgz`, integrity };
        const versions = { [version]: { ...manifest, dist } };
        // Package managers do not install a version that is only a few days old.
        return JSON.stringify({
          name,
          "dist-tags": { latest: version },
          versions,
          time: { [version]: "2020-01-01T00:00:00Z" },
        });
      }
    }
    return undefined;
  }
}
