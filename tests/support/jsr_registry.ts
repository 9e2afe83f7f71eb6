/**
 * A registry of JSR on the loopback interface: takes packages from `deno publish`, and serves their modules.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";

/** A published package. */
export interface JsrPackage {
  version: string;
  exports: Record<string, string>;
  /** The files by path, which begins with a slash. */
  files: ReadonlyMap<string, Uint8Array>;
}

/** A running registry. */
export interface JsrRegistry {
  /** The URL, for the variable `JSR_URL`. */
  url: string;
  /** The packages by name. */
  packages: ReadonlyMap<string, JsrPackage>;
  /** The paths of the downloaded files, such as `/@x/taskrunner/0.1.0/mod.ts`. Tests may clear the list. */
  downloads: string[];
  close(): void;
}

/** Starts an empty registry, which accepts every token. */
export async function startJsrRegistry(): Promise<JsrRegistry> {
  const packages = new Map<string, JsrPackage>();
  const downloads: string[] = [];
  const server = createServer((request, response) => {
    answer(request, packages, downloads).then(({ status, type, body }) => {
      response.writeHead(status, { "content-type": type }).end(body);
    }).catch((error) => fail(response, error));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return { url, packages, downloads, close: () => server.close() };
}

interface Answer {
  status: number;
  type: string;
  body: string | Uint8Array;
}

async function answer(
  request: IncomingMessage,
  packages: Map<string, JsrPackage>,
  downloads: string[],
): Promise<Answer> {
  const path = new URL(request.url!, "http://registry").pathname;
  const api = /^\/api\/scopes\/([^/]+)\/packages\/([^/]+)(?:\/versions\/([^/]+))?$/.exec(path);
  if (api) {
    const [, scope, name, version] = api;
    if (request.method === "POST") {
      packages.set(`@${scope}/${name}`, readPackage(version!, await buffer(request)));
      return json({ id: "1", status: "pending" });
    }
    return version === undefined ? json({ scope, name }) : NOT_FOUND;
  }
  if (path.startsWith("/api/publish_status/")) return json({ id: "1", status: "success" });
  const [, name = "", file = ""] = /^\/(@[^/]+\/[^/]+)\/(.*)$/.exec(path) ?? [];
  const found = packages.get(name);
  if (!found) return NOT_FOUND;
  const { version, exports, files } = found;
  if (file === "meta.json") {
    return json({ scope: name.slice(1).split("/")[0], name: name.split("/")[1], versions: { [version]: {} } });
  }
  if (file === `${version}_meta.json`) return json({ exports, manifest: manifestOf(files) });
  const content = files.get(file.slice(version.length));
  if (!file.startsWith(`${version}/`) || !content) return NOT_FOUND;
  downloads.push(path);
  return { status: 200, type: path.endsWith(".ts") ? "text/typescript" : "application/octet-stream", body: content };
}

const NOT_FOUND: Answer = { ...json({ code: "notFound", message: "Not found" }), status: 404 };

function json(value: unknown): Answer {
  return { status: 200, type: "application/json", body: JSON.stringify(value) };
}

function fail(response: ServerResponse, error: Error): void {
  response.writeHead(500, { "content-type": "text/plain" }).end(error.message);
}

function manifestOf(files: ReadonlyMap<string, Uint8Array>): Record<string, { size: number; checksum: string }> {
  const entries = [...files].map(([path, bytes]) => {
    return [path, { size: bytes.length, checksum: `sha256-${createHash("sha256").update(bytes).digest("hex")}` }];
  });
  return Object.fromEntries(entries);
}

/** Reads the files of a compressed archive of `deno publish`. */
function readPackage(version: string, archive: Uint8Array): JsrPackage {
  const files = new Map<string, Uint8Array>();
  const bytes = gunzipSync(archive);
  const text = (start: number, length: number) => bytes.toString("utf8", start, start + length).replace(/\0.*$/s, "");
  for (let header = 0; text(header, 100) !== "";) {
    const size = parseInt(text(header + 124, 12), 8);
    const start = header + 512;
    files.set(text(header, 100).replace(/^\.?\/?/, "/"), bytes.subarray(start, start + size));
    header = start + 512 * Math.ceil(size / 512);
  }
  const { exports } = JSON.parse(new TextDecoder().decode(files.get("/deno.json")));
  return { version, exports, files };
}
