import process from "node:process";

/**
 * Returns the path that a string or a `file:` URL stands for.
 *
 * @throws `TypeError` for a URL that names no file of this machine; the message is the reason.
 */
export function filePath(location: string | URL): string {
  if (typeof location === "string") return location;
  try {
    return pathOfUrl(location);
  } catch (cause) {
    throw new TypeError("must be a path or the file: URL of a path on this machine", { cause });
  }
}

/**
 * Returns the path that a `file:` URL stands for.
 *
 * @throws `TypeError` for a URL that names no file of this machine.
 */
export function pathOfUrl(url: URL): string {
  // Loaded here, because few programs use URLs, and `node:url` doubles the start-up time of Bun.
  return process.getBuiltinModule("node:url").fileURLToPath(url);
}
