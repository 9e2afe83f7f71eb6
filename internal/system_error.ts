import os from "node:os";

/** The runtimes word these differently, and add the name of a function that means nothing to a user. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EFBIG: "the file would be larger than is allowed",
  EISDIR: "it is a directory",
  ELOOP: "too many symbolic links",
  EMFILE: "too many open files",
  ENOENT: "no such file or directory",
  ENOSPC: "no space left on the device",
  ENOTDIR: "a part of the path is not a directory",
  EROFS: "the file system is read-only",
};

/** Why an operation of the system failed, in words. */
export function systemReason(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  const reason = REASONS[code ?? codeInMessage(message) ?? ""];
  return reason ?? message ?? String(error);
}

/** Deno leaves the code of some errors to the message: `File too large (os error 27)`. */
function codeInMessage(message: string | undefined): string | undefined {
  const number = Number(/\(os error (\d+)\)/.exec(message ?? "")?.[1]);
  return Object.entries(os.constants.errno).find(([, errno]) => errno === number)?.[0];
}
