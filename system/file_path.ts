import { fileURLToPath } from "node:url";

/**
 * Returns the path that a string or a `file:` URL stands for.
 *
 * @throws `TypeError` for a URL that names no file of this machine; the message is the reason.
 */
export function filePath(location: string | URL): string {
  if (typeof location === "string") return location;
  try {
    return fileURLToPath(location);
  } catch (cause) {
    throw new TypeError("must be a path or the file: URL of a path on this machine", { cause });
  }
}
