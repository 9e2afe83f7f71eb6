import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { isPermitted } from "../../system/deno_permissions.ts";
import { systemReason } from "../../system/system_error.ts";
import { contentPolicy, livePage } from "../html.ts";

const HOST = "127.0.0.1";
/** Limited because each connection takes a file descriptor that tasks may need. */
const MAX_CONNECTIONS = 64;

/**
 * Serves the page of a live report and its events to browsers on this machine. Every user of the machine can connect,
 * so the URL contains a secret key.
 */
export class LivePageServer {
  readonly url: string;
  readonly #path = `/${randomBytes(16).toString("hex")}/`;
  readonly #server: Server;
  /** Called with each browser that subscribes to events. */
  onBrowser: (browser: ServerResponse) => void = () => {};

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://${HOST}:${(server.address() as AddressInfo).port}${this.#path}`;
    server.on("request", (request, response) => this.#handle(request, response));
  }

  /**
   * Starts a server on 127.0.0.1.
   *
   * @throws `Error` when the port cannot be opened.
   */
  static async listen(port: number): Promise<LivePageServer> {
    const address = `${HOST}:${port}`;
    if (!isPermitted({ name: "net", host: port === 0 ? HOST : address })) {
      throw new Error(`Cannot listen on ${address}: Deno needs --allow-net=${port === 0 ? HOST : address}`);
    }
    const server = createServer();
    server.maxConnections = MAX_CONNECTIONS;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.on("error", reject); // later errors are ignored: without descriptors a connection fails, and the browser reconnects
    server.listen(port, HOST, resolve);
    try {
      await promise;
    } catch (error) {
      throw new Error(`Cannot listen on ${address}: ${systemReason(error)}`, { cause: error });
    }
    return new LivePageServer(server);
  }

  /** Stops the server. Resolves when all browsers have received all events, or after a timeout. */
  async close(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => this.#server.closeAllConnections(), timeoutMs);
    this.#server.close(() => resolve());
    this.#server.closeIdleConnections();
    await promise;
    clearTimeout(timer);
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const refuse = (status: number, reason: string) => {
      response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" }).end(`${reason}\n`);
    };
    if (!isTrusted(request)) {
      return refuse(403, "Forbidden: this page answers only requests from this machine, and none from other sites");
    }
    if (request.method !== "GET") return refuse(405, "Method not allowed: use GET");
    const [path] = request.url!.split("?");
    if (path === `${this.#path}events`) {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write("retry: 1000\n\n"); // fires the `open` event in the browser immediately
      return this.onBrowser(response);
    }
    if (path !== this.#path) return refuse(404, "Not found: open the address that taskrunner printed");
    response.writeHead(200, {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": `${contentPolicy(true)}; frame-ancestors 'none'`,
    }).end(livePage());
  }
}

const HEADERS = {
  "Cache-Control": "no-store",
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
};

/**
 * Returns whether a request comes from a browser that opened this page, not from another site. Another site can neither
 * use a local host name (the `Host` header would name that site) nor hide the origin of its requests. Accepts any port,
 * as the port may be forwarded, for instance by ssh.
 */
function isTrusted({ headers }: IncomingMessage): boolean {
  const { host = "", origin } = headers;
  if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host)) return false;
  if (origin !== undefined && origin !== `http://${host}`) return false;
  return ["same-origin", "none", undefined].includes(headers["sec-fetch-site"] as string | undefined);
}
