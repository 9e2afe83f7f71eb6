/** A proxy on the loopback interface that counts the downloads from the registry of npm. @module */

import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";

const { NPM_CONFIG_REGISTRY, npm_config_registry } = process.env;

/** The registry behind the proxy. */
const REGISTRY = (NPM_CONFIG_REGISTRY ?? npm_config_registry ?? "https://registry.npmjs.org").replace(/\/$/, "");

/** The number of times that a request is sent to a registry that cannot be reached. */
const ATTEMPTS = 3;

/** A running proxy. */
export interface NpmProxy {
  /** The URL, for the variable `NPM_CONFIG_REGISTRY`. */
  url: string;
  /** The downloaded archives by path, with their sizes in bytes. */
  archives: Map<string, number>;
  close(): void;
}

/** Starts a proxy. */
export async function startNpmProxy(): Promise<NpmProxy> {
  const archives = new Map<string, number>();
  let base = "";
  const server = createServer(({ url: path = "/", headers }, response) => {
    forward(path, headers.accept).then(async (answer) => {
      let body: string | Uint8Array = new Uint8Array(await answer.arrayBuffer());
      if (path.endsWith(".tgz")) archives.set(path, body.length);
      else body = new TextDecoder().decode(body).replaceAll(REGISTRY, base); // so that archives come from here, too
      response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" }).end(body);
    }).catch((error) => response.writeHead(502).end(String(error)));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url: `${base}/`, archives, close: () => server.close() };
}

async function forward(path: string, accept = "*/*"): Promise<Response> {
  for (let attempt = 1;; attempt++) {
    try {
      return await fetch(`${REGISTRY}${path}`, { headers: { accept } });
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}
