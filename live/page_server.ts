import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { isPermitted } from "../internal/deno_permissions.ts";
import { systemReason } from "../internal/system_error.ts";
import { contentPolicy, LIVE, reportPage } from "../report/html.ts";

const HOST = "127.0.0.1";
/** Each connection takes a file descriptor, which tasks need, too. */
const MAX_CONNECTIONS = 64;

/**
 * Serves the page of a report that is live, and its events, to browsers on this machine. All of its users can connect, so
 * there is a key in the address, which only those know who are told.
 */
export class LivePageServer {
  readonly url: string;
  readonly #path = `/${randomBytes(16).toString("hex")}/`;
  readonly #server: Server;
  /** Is given each browser that waits for events. */
  onBrowser: (browser: ServerResponse) => void = () => {};

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://${HOST}:${(server.address() as AddressInfo).port}${this.#path}`;
    server.on("request", (request, response) => this.#answer(request, response));
  }

  /** @throws `Error` when the port cannot be had. */
  static async listen(port: number): Promise<LivePageServer> {
    const address = `${HOST}:${port}`;
    if (!isPermitted({ name: "net", host: port === 0 ? HOST : address })) {
      throw new Error(`Cannot listen on ${address}: Deno needs --allow-net=${port === 0 ? HOST : address}`);
    }
    const server = createServer();
    server.maxConnections = MAX_CONNECTIONS;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject);
    server.listen(port, HOST, resolve);
    try {
      await promise;
    } catch (error) {
      throw new Error(`Cannot listen on ${address}: ${systemReason(error)}`, { cause: error });
    }
    return new LivePageServer(server);
  }

  /** Settles when browsers have what was sent to them, or after a time. */
  async close(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => this.#server.closeAllConnections(), timeoutMs);
    this.#server.close(() => resolve());
    this.#server.closeIdleConnections();
    await promise;
    clearTimeout(timer);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const refuse = (status: number, reason: string) => {
      response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" }).end(`${reason}\n`);
    };
    if (!isFromHere(request)) return refuse(403, "This page is for this machine, and not for other sites");
    if (request.method !== "GET") return refuse(405, "This page can only be read");
    const [path] = request.url!.split("?");
    if (path === `${this.#path}events`) {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write("retry: 1000\n\n"); // so that the browser knows at once that it is connected
      return this.onBrowser(response);
    }
    if (path !== this.#path) return refuse(404, "There is nothing here; the page is at the address that was printed");
    response.writeHead(200, {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": `${contentPolicy(true)}; frame-ancestors 'none'`,
    }).end(reportPage(LIVE));
  }
}

const HEADERS = {
  "Cache-Control": "no-store",
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
};

/**
 * Whether a request was made by somebody on this machine who opened the page. A site in the same browser can neither name
 * this machine as its own (the host would be the site's), nor hide where a request is from. The port is left open: it
 * may have been forwarded, as by ssh.
 */
function isFromHere({ headers }: IncomingMessage): boolean {
  const { host = "", origin } = headers;
  if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host)) return false;
  if (origin !== undefined && origin !== `http://${host}`) return false;
  return ["same-origin", "none", undefined].includes(headers["sec-fetch-site"] as string | undefined);
}
